// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// push copies what build has written to a registry and prints the digest. The
// credentials are those of docker login or podman login.
func push(ctx context.Context, file, reference string, out io.Writer) error {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return fmt.Errorf("%q is no name of an image, such as registry.example.com/externalbackend-operator:0.1.0: %w", reference, err)
	}
	folder, err := os.MkdirTemp("", "image-push-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if err := unpack(file, folder); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	content, err := only(folder)
	if err != nil {
		return fmt.Errorf("reading %s: it is no tar of image build: %w", file, err)
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	var digest v1.Hash
	switch c := content.(type) {
	case v1.ImageIndex:
		err = remote.WriteIndex(ref, c, options...)
		digest, _ = c.Digest()
	case v1.Image:
		err = remote.Write(ref, c, options...)
		digest, _ = c.Digest()
	}
	if err != nil {
		return fmt.Errorf("pushing to %s: %w", ref, err)
	}
	fmt.Fprintf(out, "%s@%s\n", ref, digest)
	return nil
}

// only returns the image or the index that a layout holds.
func only(folder string) (any, error) {
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(manifest.Manifests) != 1 {
		return nil, fmt.Errorf("it holds %d images, and must hold one", len(manifest.Manifests))
	}
	content := manifest.Manifests[0]
	switch {
	case content.MediaType.IsIndex():
		return index.ImageIndex(content.Digest)
	case content.MediaType.IsImage():
		return index.Image(content.Digest)
	default:
		return nil, fmt.Errorf("it holds something of the type %q", content.MediaType)
	}
}

// layoutFile matches what a layout consists of, and nothing that leaves a folder.
var layoutFile = regexp.MustCompile(`^(oci-layout|index\.json|blobs/sha256/[0-9a-f]{64})$`)

// unpack puts the layout in a tar file into a folder.
func unpack(file, folder string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := os.MkdirAll(filepath.Join(folder, "blobs", "sha256"), 0o700); err != nil {
		return err
	}
	archive := tar.NewReader(f)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg || !layoutFile.MatchString(header.Name) {
			continue
		}
		if err := unpackFile(filepath.Join(folder, filepath.FromSlash(header.Name)), archive); err != nil {
			return err
		}
	}
}

func unpackFile(path string, content io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}
