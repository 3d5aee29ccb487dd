// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestSameInputsSameBytes(t *testing.T) {
	var tars, bills [][]byte
	for range 2 {
		output := filepath.Join(t.TempDir(), "a", "hello.tar")
		mustCommand(t, "1700000000", "build", "-binary", hello(t, "amd64"), "-name", "hello:1.2.3", "-output", output)
		tars, bills = append(tars, read(t, output)), append(bills, read(t, strings.TrimSuffix(output, ".tar")+".cdx.json"))
	}
	if !bytes.Equal(tars[0], tars[1]) {
		t.Error("two builds of the same binary in different folders differ")
	}
	if !bytes.Equal(bills[0], bills[1]) {
		t.Error("two bills of materials of the same binary differ")
	}
	other := filepath.Join(t.TempDir(), "hello.tar")
	mustCommand(t, "1700000001", "build", "-binary", hello(t, "amd64"), "-name", "hello:1.2.3", "-output", other)
	if bytes.Equal(tars[0], read(t, other)) {
		t.Error("SOURCE_DATE_EPOCH makes no difference")
	}
}

func TestFiles(t *testing.T) {
	output, settingsFile := filepath.Join(t.TempDir(), "hello.tar"), filepath.Join(t.TempDir(), "conf")
	if err := os.WriteFile(settingsFile, []byte("setting"), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := hello(t, "amd64")
	mustCommand(t, "1700000000", "build", "-binary", binary, "-name", "hello:1.2.3", "-output", output, "-file", settingsFile+"=/etc/hello/conf")
	names, files := rootFiles(t, loaded(t, output, "hello:1.2.3"))
	wanted := []string{
		"etc/", "etc/group", "etc/hello/", "etc/hello/conf", "etc/passwd", "hello",
		"usr/", "usr/share/", "usr/share/sbom/", "usr/share/sbom/hello.cdx.json",
	}
	if !reflect.DeepEqual(names, wanted) {
		t.Errorf("the image holds %q, not %q", names, wanted)
	}
	for name, file := range files {
		mode := int64(0o644)
		if name == "hello" || strings.HasSuffix(name, "/") {
			mode = 0o755
		}
		if file.header.Mode != mode {
			t.Errorf("%s has mode %o, not %o", name, file.header.Mode, mode)
		}
		if file.header.Uid != 0 || file.header.Gid != 0 || file.header.Uname != "" || file.header.ModTime.Unix() != 1700000000 {
			t.Errorf("%s has owner or time of this machine: %+v", name, file.header)
		}
	}
	if files["hello"].content != string(read(t, binary)) {
		t.Error("the program in the image is not the one that was given")
	}
	if !strings.Contains(files["etc/passwd"].content, "nonroot:x:65532:65532:") || !strings.Contains(files["etc/group"].content, "nonroot:x:65532:") {
		t.Error("the account of the program is not in the image")
	}
	if files["usr/share/sbom/hello.cdx.json"].content != string(read(t, strings.TrimSuffix(output, ".tar")+".cdx.json")) {
		t.Error("the bill of materials in the image is not the one beside it")
	}
	if files["etc/hello/conf"].content != "setting" {
		t.Error("the file that was asked for is not in the image")
	}
}

func TestConfig(t *testing.T) {
	output := filepath.Join(t.TempDir(), "hello.tar")
	mustCommand(t, "1700000000", "build", "-binary", hello(t, "arm64"), "-name", "registry.example.com/team/hello:1.2.3", "-output", output,
		"-entrypoint", "/bin/hello", "-user", "1000:2000", "-description", "Says hello.", "-revision", "abc", "-sbom=false",
		"-source", "https://example.org/hello.git", "-url", "https://example.org/hello")
	image := loaded(t, output, "registry.example.com/team/hello:1.2.3")
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{
		"org.opencontainers.image.created":     "2023-11-14T22:13:20Z",
		"org.opencontainers.image.description": "Says hello.",
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.revision":    "abc",
		"org.opencontainers.image.source":      "https://example.org/hello.git",
		"org.opencontainers.image.title":       "hello",
		"org.opencontainers.image.url":         "https://example.org/hello",
		"org.opencontainers.image.version":     "1.2.3",
	}
	if !reflect.DeepEqual(config.Config.Labels, labels) {
		t.Errorf("the labels are %q, not %q", config.Config.Labels, labels)
	}
	if config.Config.User != "1000:2000" || !reflect.DeepEqual(config.Config.Entrypoint, []string{"/bin/hello"}) {
		t.Errorf("the image runs %q as %q", config.Config.Entrypoint, config.Config.User)
	}
	if config.OS != "linux" || config.Architecture != "arm64" || !config.Created.Equal(time.Unix(1700000000, 0)) {
		t.Errorf("the image is of %s/%s and %s", config.OS, config.Architecture, config.Created)
	}
	names, _ := rootFiles(t, image)
	if wanted := []string{"bin/", "bin/hello", "etc/", "etc/group", "etc/passwd"}; !reflect.DeepEqual(names, wanted) {
		t.Errorf("the image holds %q, not %q", names, wanted)
	}
	_, blobs := members(t, bytes.NewReader(read(t, output)))
	var manifest v1.Manifest
	decode(t, blobs[descriptor(t, blobs).path()].content, &manifest)
	if !reflect.DeepEqual(manifest.Annotations, labels) {
		t.Errorf("the annotations are %q, not %q", manifest.Annotations, labels)
	}
}

func TestLabelsNotGivenAreNotThere(t *testing.T) {
	output := filepath.Join(t.TempDir(), "hello.tar")
	mustCommand(t, "", "build", "-binary", hello(t, "amd64"), "-name", "hello:1.2.3", "-output", output)
	config, err := loaded(t, output, "hello:1.2.3").ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{
		"org.opencontainers.image.created":  "1970-01-01T00:00:00Z",
		"org.opencontainers.image.licenses": "Apache-2.0",
		"org.opencontainers.image.title":    "hello",
		"org.opencontainers.image.version":  "1.2.3",
	}
	if !reflect.DeepEqual(config.Config.Labels, labels) {
		t.Errorf("the labels are %q, not %q", config.Config.Labels, labels)
	}
}

// TestDockerfileMakesTheSameImage: who uses the Dockerfile gets the same files,
// labels, user and program.
func TestDockerfileMakesTheSameImage(t *testing.T) {
	folder := t.TempDir()
	output, rootfs, binary := filepath.Join(folder, "manager.tar"), filepath.Join(folder, "rootfs"), filepath.Join(folder, "manager")
	if err := os.Rename(hello(t, "amd64"), binary); err != nil {
		t.Fatal(err)
	}
	mustCommand(t, "", "build", "-binary", binary, "-name", "externalbackend-operator:1.2.3", "-output", output,
		"-revision", "abc", "-description", "Does it.")
	mustCommand(t, "", "rootfs", "-binary", binary, "-name", "externalbackend-operator:1.2.3", "-output", rootfs)
	image := loaded(t, output, "externalbackend-operator:1.2.3")
	names, files := rootFiles(t, image)
	for _, name := range names {
		info, err := os.Stat(filepath.Join(rootfs, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().IsRegular() && (files[name].content != string(read(t, filepath.Join(rootfs, name))) || int64(info.Mode()) != files[name].header.Mode) {
			t.Errorf("%s differs between the image and the folder for the Dockerfile", name)
		}
	}

	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	dockerfile := string(read(t, filepath.Join("..", "..", "Dockerfile")))
	for _, line := range []string{
		"FROM scratch\n", "COPY bin/linux-${TARGETARCH}/rootfs/ /\n",
		"USER " + config.Config.User + "\n", "WORKDIR " + config.Config.WorkingDir + "\n",
		`ENTRYPOINT ["` + config.Config.Entrypoint[0] + "\"]\n",
	} {
		if !strings.Contains(dockerfile, "\n"+line) {
			t.Errorf("the Dockerfile lacks the line %q", line)
		}
	}
	if copies := strings.Count(dockerfile, "\nCOPY ") + strings.Count(dockerfile, "\nADD "); copies != 1 {
		t.Errorf("the Dockerfile copies %d times, not once", copies)
	}
	for label := range config.Config.Labels {
		if !strings.Contains(dockerfile, label+"=") {
			t.Errorf("the Dockerfile lacks the label %s", label)
		}
	}
	if got := strings.Count(dockerfile, "org.opencontainers.image."); got != len(config.Config.Labels) {
		t.Errorf("the Dockerfile has %d labels, and the image %d", got, len(config.Config.Labels))
	}
}
