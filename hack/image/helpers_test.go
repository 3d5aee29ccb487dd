// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// programs holds a small static program for each platform, built once.
var programs = sync.OnceValues(func() (map[string][]byte, error) {
	folder, err := os.MkdirTemp("", "image-test-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	for file, text := range map[string]string{
		"go.mod":  "module example.org/hello\n\ngo 1.26\n",
		"main.go": "package main\n\nfunc main() { println(\"hello\") }\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	built := map[string][]byte{}
	for _, arch := range []string{"amd64", "arm64"} {
		command := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", "hello", ".")
		command.Dir = folder
		command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOWORK=off", "GOFLAGS=")
		if output, err := command.CombinedOutput(); err != nil {
			return nil, errors.Join(err, errors.New(string(output)))
		}
		if built[arch], err = os.ReadFile(filepath.Join(folder, "hello")); err != nil {
			return nil, err
		}
	}
	return built, nil
})

// hello writes such a program into a folder of its own and returns its path.
func hello(t *testing.T, arch string, changes ...func([]byte) []byte) string {
	t.Helper()
	built, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Clone(built[arch])
	for _, change := range changes {
		content = change(content)
	}
	file := filepath.Join(t.TempDir(), "hello")
	if err := os.WriteFile(file, content, 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

// command runs the command line and returns what it prints.
func command(t *testing.T, epoch string, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	err := run(t.Context(), args, epoch, &out, io.Discard)
	return out.String(), err
}

func mustCommand(t *testing.T, epoch string, args ...string) string {
	t.Helper()
	out, err := command(t, epoch, args...)
	if err != nil {
		t.Fatalf("image %s: %v", strings.Join(args, " "), err)
	}
	return out
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// loaded reads an image as docker load without OCI would.
func loaded(t *testing.T, file, reference string) v1.Image {
	t.Helper()
	tag, err := name.NewTag(reference)
	if err != nil {
		t.Fatal(err)
	}
	image, err := tarball.ImageFromPath(file, &tag)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// member is a file of an archive.
type member struct {
	header  tar.Header
	content string
}

// members reads an archive, with its order.
func members(t *testing.T, archive io.Reader) (names []string, files map[string]member) {
	t.Helper()
	files = map[string]member{}
	reader := tar.NewReader(archive)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return names, files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
		files[header.Name] = member{header: *header, content: string(content)}
	}
}

// rootFiles reads the files of an image of one layer.
func rootFiles(t *testing.T, image v1.Image) ([]string, map[string]member) {
	t.Helper()
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	if len(layers) != 1 {
		t.Fatalf("the image has %d layers, not one", len(layers))
	}
	packed, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = packed.Close() }()
	plain, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	return members(t, plain)
}
