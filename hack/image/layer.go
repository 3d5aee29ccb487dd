// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// base is in every image: accounts, so that programs that ask who they are get an
// answer.
var base = map[string]string{
	"/etc/passwd": "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n",
	"/etc/group":  "root:x:0:\nnonroot:x:65532:\n",
}

// entry is a file of an image.
type entry struct {
	mode    int64
	content []byte
}

// tree holds the files of an image by their absolute paths.
type tree map[string]entry

// add puts a file into the tree.
func (t tree) add(name string, mode int64, content []byte) error {
	if !path.IsAbs(name) || path.Clean(name) != name || name == "/" {
		return fmt.Errorf("%q is no path for a file in the image: it must be absolute and plain, such as /etc/coredns/Corefile", name)
	}
	if _, exists := t[name]; exists {
		return fmt.Errorf("two files of the image are called %s: give one another path", name)
	}
	t[name] = entry{mode: mode, content: content}
	return nil
}

// addFile puts in a file of this machine, executable if it is so here.
func (t tree) addFile(f extraFile) error {
	info, err := os.Stat(f.from)
	if err != nil {
		return fmt.Errorf("reading a file for the image: %w", err)
	}
	content, err := os.ReadFile(f.from)
	if err != nil {
		return fmt.Errorf("reading a file for the image: %w", err)
	}
	mode := int64(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	return t.add(f.to, mode, content)
}

// layer returns the tree as the one layer of an image.
func (t tree) layer(created time.Time) (v1.Layer, error) {
	var packed bytes.Buffer
	// The header of gzip names no file, no time and no system, so that the bytes
	// follow from the content and the version of Go alone.
	compressor, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if err := t.write(compressor, created); err != nil {
		return nil, err
	}
	if err := compressor.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(packed.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
}

// write writes the tree as a tar archive: sorted, folders before what is in them,
// owned by root.
func (t tree) write(w io.Writer, created time.Time) error {
	archive := tar.NewWriter(w)
	folders := map[string]bool{"/": true}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		for _, folder := range parents(name) {
			if folders[folder] {
				continue
			}
			if _, isFile := t[folder]; isFile {
				return fmt.Errorf("%s of the image is a file and has %s in it: give one another path", folder, name)
			}
			folders[folder] = true
			if err := archive.WriteHeader(header(folder+"/", tar.TypeDir, 0o755, 0, created)); err != nil {
				return err
			}
		}
		e := t[name]
		if err := archive.WriteHeader(header(name, tar.TypeReg, e.mode, len(e.content), created)); err != nil {
			return fmt.Errorf("packing %s: %w", name, err)
		}
		if _, err := archive.Write(e.content); err != nil {
			return err
		}
	}
	return archive.Close()
}

// writeFolder writes the tree into a folder of this machine, which it empties first.
func (t tree) writeFolder(folder string) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	for name, e := range t {
		// The umask of this machine has no say in an image.
		for _, parent := range append([]string{"/"}, parents(name)...) {
			path := filepath.Join(folder, filepath.FromSlash(parent))
			if err := errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, 0o755)); err != nil {
				return err
			}
		}
		file := filepath.Join(folder, filepath.FromSlash(name))
		if err := errors.Join(os.WriteFile(file, e.content, 0o600), os.Chmod(file, os.FileMode(e.mode))); err != nil {
			return err
		}
	}
	return nil
}

// parents returns the folders that a file lies in, but for the root, outermost first.
func parents(name string) []string {
	var folders []string
	for folder := path.Dir(name); folder != "/"; folder = path.Dir(folder) {
		folders = append(folders, folder)
	}
	slices.Reverse(folders)
	return folders
}

// header makes the header of an entry that root owns.
func header(name string, kind byte, mode int64, size int, created time.Time) *tar.Header {
	return &tar.Header{
		Name: strings.TrimPrefix(name, "/"), Typeflag: kind, Mode: mode, Size: int64(size), ModTime: created, Format: tar.FormatPAX,
	}
}
