// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// writeArchive writes an OCI layout in a tar file: of the image itself if there
// is one, of an index of them, whose descriptor it returns, if there are more. With
// the manifest of docker save beside, tools that do not know OCI take the former too.
func writeArchive(output string, tag name.Tag, annotations map[string]string, created time.Time, images []built) (*v1.Descriptor, error) {
	files := map[string][]byte{"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)}
	for _, b := range images {
		if err := addImage(files, b.image); err != nil {
			return nil, fmt.Errorf("packing the image for %s: %w", b.platform, err)
		}
	}
	var content mutate.Appendable = images[0].image
	var index *v1.Descriptor
	if len(images) > 1 {
		joined := join(images, annotations)
		var err error
		if index, err = addIndex(files, joined); err != nil {
			return nil, fmt.Errorf("packing the index: %w", err)
		}
		content = joined
	} else if err := addDockerManifest(files, tag, images[0].image); err != nil {
		return nil, fmt.Errorf("packing the image: %w", err)
	}
	if err := addEntryPoint(files, tag, content, images); err != nil {
		return nil, fmt.Errorf("packing the layout: %w", err)
	}
	packed, err := pack(files, created)
	if err != nil {
		return nil, fmt.Errorf("packing %s: %w", output, err)
	}
	return index, writeFile(output, packed)
}

// join makes an index of images, by their platforms.
func join(images []built, annotations map[string]string) v1.ImageIndex {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	byPlatform := slices.SortedFunc(slices.Values(images), func(a, b built) int {
		return strings.Compare(a.platform.String(), b.platform.String())
	})
	for _, b := range byPlatform {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: b.image, Descriptor: v1.Descriptor{Platform: &b.platform}})
	}
	return mutate.Annotations(index, annotations).(v1.ImageIndex)
}

// blob is the path of a blob in a layout.
func blob(digest v1.Hash) string { return "blobs/" + digest.Algorithm + "/" + digest.Hex }

func addImage(files map[string][]byte, image v1.Image) error {
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return err
		}
		packed, err := layer.Compressed()
		if err != nil {
			return err
		}
		content, err := io.ReadAll(packed)
		if err := errors.Join(err, packed.Close()); err != nil {
			return err
		}
		files[blob(digest)] = content
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return err
	}
	digest, err := image.ConfigName()
	if err != nil {
		return err
	}
	files[blob(digest)] = config
	return addManifest(files, image)
}

func addIndex(files map[string][]byte, index v1.ImageIndex) (*v1.Descriptor, error) {
	if err := addManifest(files, index); err != nil {
		return nil, err
	}
	return partial.Descriptor(index)
}

func addManifest(files map[string][]byte, m partial.WithRawManifest) error {
	raw, err := m.RawManifest()
	if err != nil {
		return err
	}
	digest, _, err := v1.SHA256(bytes.NewReader(raw))
	files[blob(digest)] = raw
	return err
}

// addDockerManifest adds what docker load reads where it does not know OCI.
func addDockerManifest(files map[string][]byte, tag name.Tag, image v1.Image) error {
	config, err := image.ConfigName()
	if err != nil {
		return err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return err
	}
	type entry struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	only := entry{Config: blob(config), RepoTags: []string{tag.String()}}
	for _, layer := range manifest.Layers {
		only.Layers = append(only.Layers, blob(layer.Digest))
	}
	files["manifest.json"], err = json.Marshal([]entry{only})
	return err
}

// addEntryPoint adds the index.json of a layout, which names its content.
func addEntryPoint(files map[string][]byte, tag name.Tag, content mutate.Appendable, images []built) error {
	descriptor, err := partial.Descriptor(content)
	if err != nil {
		return err
	}
	if len(images) == 1 {
		descriptor.Platform = &images[0].platform
	}
	descriptor.Annotations = map[string]string{
		"io.containerd.image.name":          fullName(tag),
		"org.opencontainers.image.ref.name": tag.TagStr(),
	}
	files["index.json"], err = json.Marshal(v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{*descriptor},
	})
	return err
}

// fullName is the name with its registry, as containerd and Podman spell it.
func fullName(tag name.Tag) string { return strings.TrimPrefix(tag.Name(), "index.") }

// pack makes a tar archive of files in the order of their names.
func pack(files map[string][]byte, created time.Time) ([]byte, error) {
	var packed bytes.Buffer
	archive := tar.NewWriter(&packed)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := archive.WriteHeader(header(name, tar.TypeReg, 0o644, len(files[name]), created)); err != nil {
			return nil, err
		}
		if _, err := archive.Write(files[name]); err != nil {
			return nil, err
		}
	}
	err := archive.Close()
	return packed.Bytes(), err
}

// writeFile replaces a file as a whole, and makes its folder.
func writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making a folder for the result: %w", err)
	}
	whole := path + ".new"
	if err := os.WriteFile(whole, content, 0o644); err != nil {
		return errors.Join(fmt.Errorf("writing the result: %w", err), os.Remove(whole))
	}
	return os.Rename(whole, path)
}
