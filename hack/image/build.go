// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// settings say what an image is to be.
type settings struct {
	binaries []string // at least one, each of another platform
	name     string   // with a tag
	path     string   // of the binary in the image; "" means / and the name of the file
	user     string   // UID:GID
	files    []extraFile
	sbom     bool
	created  time.Time

	description, revision, source, url, licenses string // "" leaves the label out
}

// extraFile is a file of this machine and where it goes in the image.
type extraFile struct{ from, to string }

// built is an image of one platform.
type built struct {
	image    v1.Image
	platform v1.Platform
	bill     []byte // nil without a software bill of materials
	unpacked int    // bytes
}

var numericUser = regexp.MustCompile(`^[0-9]{1,10}:[0-9]{1,10}$`)

// build makes the image of every binary and writes them into one tar file.
func build(s settings, output string, out io.Writer) error {
	tag, err := parseName(s.name)
	if err != nil {
		return err
	}
	if !numericUser.MatchString(s.user) {
		return fmt.Errorf("-user is %q: it must be UID:GID in numbers, such as 65532:65532, because Kubernetes cannot tell who else is not root", s.user)
	}
	var images []built
	for _, file := range s.binaries {
		b, err := readBinary(file)
		if err != nil {
			return err
		}
		for _, other := range images {
			if other.platform.Equals(b.platform) {
				return fmt.Errorf("%s is for %s, as another binary is: give one for each platform", file, b.platform)
			}
		}
		image, err := makeImage(s, tag, b)
		if err != nil {
			return err
		}
		images = append(images, image)
	}
	index, err := writeArchive(output, tag, labels(s, tag), s.created, images)
	if err != nil {
		return err
	}
	if len(images) == 1 && s.sbom {
		if err := writeFile(strings.TrimSuffix(output, ".tar")+".cdx.json", images[0].bill); err != nil {
			return err
		}
	}
	if index != nil {
		fmt.Fprintf(out, "%s: index %s\n", output, index.Digest)
	}
	return report(output, images, out)
}

// parseName takes a name with a tag.
func parseName(text string) (name.Tag, error) {
	tag, err := name.NewTag(text, name.WithDefaultTag(""))
	if err != nil || tag.TagStr() == "" {
		return tag, errors.Join(fmt.Errorf("-name is %q: it must be a name with a tag, such as externalbackend-operator:0.1.0", text), err)
	}
	return tag, nil
}

// contents collects the files of an image, and the bill of materials among them
// if there is to be one.
func contents(s settings, tag name.Tag, b *binary) (files tree, text []byte, err error) {
	files = tree{}
	for name, content := range base {
		if err := files.add(name, 0o644, []byte(content)); err != nil {
			return nil, nil, err
		}
	}
	if err := files.add(s.programPath(b), 0o755, b.content); err != nil {
		return nil, nil, err
	}
	for _, f := range s.files {
		if err := files.addFile(f); err != nil {
			return nil, nil, err
		}
	}
	if !s.sbom {
		return files, nil, nil
	}
	if text, err = bill(b, tag.TagStr(), s.created); err != nil {
		return nil, nil, err
	}
	// Scanners look for this ending anywhere in an image.
	err = files.add("/usr/share/sbom/"+path.Base(s.programPath(b))+".cdx.json", 0o644, text)
	return files, text, err
}

// programPath is where a binary goes in the image.
func (s settings) programPath(b *binary) string {
	return cmp.Or(s.path, "/"+b.base())
}

// writeRootfs writes the files of an image into a folder.
func writeRootfs(s settings, folder string) error {
	tag, err := parseName(s.name)
	if err != nil {
		return err
	}
	b, err := readBinary(s.binaries[0])
	if err != nil {
		return err
	}
	files, _, err := contents(s, tag, b)
	if err != nil {
		return err
	}
	if err := files.writeFolder(folder); err != nil {
		return fmt.Errorf("writing the files of the image: %w", err)
	}
	return nil
}

func makeImage(s settings, tag name.Tag, b *binary) (built, error) {
	files, text, err := contents(s, tag, b)
	if err != nil {
		return built{}, err
	}
	result := built{platform: b.platform, bill: text}
	for _, f := range files {
		result.unpacked += len(f.content)
	}
	layer, err := files.layer(s.created)
	if err != nil {
		return built{}, fmt.Errorf("packing the files of the image: %w", err)
	}
	result.image, err = assemble(layer, config(s, tag, b), labels(s, tag))
	if err != nil {
		return built{}, fmt.Errorf("assembling the image: %w", err)
	}
	return result, nil
}

// config says how the image is run.
func config(s settings, tag name.Tag, b *binary) *v1.ConfigFile {
	return &v1.ConfigFile{
		OS: b.platform.OS, Architecture: b.platform.Architecture,
		Created: v1.Time{Time: s.created},
		Config: v1.Config{
			User:       s.user,
			Entrypoint: []string{s.programPath(b)},
			WorkingDir: "/",
			Labels:     labels(s, tag),
		},
		RootFS: v1.RootFS{Type: "layers"},
	}
}

func assemble(layer v1.Layer, config *v1.ConfigFile, annotations map[string]string) (v1.Image, error) {
	image, err := mutate.ConfigFile(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), config)
	if err != nil {
		return nil, err
	}
	image, err = mutate.Append(image, mutate.Addendum{
		Layer: layer, History: v1.History{Created: config.Created, CreatedBy: "image build", Comment: "the program and its accounts"},
	})
	if err != nil {
		return nil, err
	}
	return mutate.Annotations(image, annotations).(v1.Image), nil
}

// labels are both labels and annotations: some tools show these, some those.
func labels(s settings, tag name.Tag) map[string]string {
	all := map[string]string{
		"created":     s.created.Format(time.RFC3339),
		"description": s.description,
		"licenses":    s.licenses,
		"revision":    s.revision,
		"source":      s.source,
		"title":       path.Base(tag.RepositoryStr()),
		"url":         s.url,
		"version":     tag.TagStr(),
	}
	given := map[string]string{}
	for key, value := range all {
		if value != "" {
			given["org.opencontainers.image."+key] = value
		}
	}
	return given
}

// report prints the digests and sizes of what was built.
func report(output string, images []built, out io.Writer) error {
	for _, b := range images {
		digest, err := b.image.Digest()
		if err != nil {
			return err
		}
		manifest, err := b.image.Manifest()
		if err != nil {
			return err
		}
		compressed := manifest.Config.Size
		for _, layer := range manifest.Layers {
			compressed += layer.Size
		}
		fmt.Fprintf(out, "%s: %s %s, %.1f MB compressed, %.1f MB unpacked\n",
			output, b.platform, digest, float64(compressed)/1e6, float64(b.unpacked)/1e6)
	}
	return nil
}
