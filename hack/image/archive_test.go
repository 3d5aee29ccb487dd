// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
}

// content is what the index.json of a layout names.
type content struct{ v1.Descriptor }

func (c content) path() string { return blob(c.Digest) }

func descriptor(t *testing.T, layout map[string]member) content {
	t.Helper()
	var index v1.IndexManifest
	decode(t, layout["index.json"].content, &index)
	if len(index.Manifests) != 1 {
		t.Fatalf("the layout names %d images, not one", len(index.Manifests))
	}
	return content{index.Manifests[0]}
}

func TestLayoutNamesItsImage(t *testing.T) {
	output := filepath.Join(t.TempDir(), "hello.tar")
	printed := mustCommand(t, "", "build", "-binary", hello(t, "arm64"), "-name", "hello:1.2.3", "-output", output)
	_, layout := members(t, bytes.NewReader(read(t, output)))
	d := descriptor(t, layout)
	if !strings.Contains(printed, "linux/arm64 "+d.Digest.String()+", ") {
		t.Errorf("it prints %q, without the digest %s", printed, d.Digest)
	}
	if d.Platform == nil || d.Platform.String() != "linux/arm64" {
		t.Errorf("the platform of the image is %v", d.Platform)
	}
	tag, err := name.NewTag("hello:1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Annotations["io.containerd.image.name"]; got != "docker.io/"+tag.RepositoryStr()+":1.2.3" {
		t.Errorf("containerd would call the image %q", got)
	}
	// docker save's manifest and the layout are about the same image.
	image := loaded(t, output, "hello:1.2.3")
	if err := validate.Image(image); err != nil {
		t.Error(err)
	}
	var manifest v1.Manifest
	decode(t, layout[d.path()].content, &manifest)
	if id, err := image.ConfigName(); err != nil || id != manifest.Config.Digest {
		t.Errorf("docker load would find the image %s, others %s (%v)", id, manifest.Config.Digest, err)
	}
}

func TestPush(t *testing.T) {
	server := httptest.NewServer(registry.New())
	defer server.Close()
	folder, host := t.TempDir(), strings.TrimPrefix(server.URL, "http://")
	amd64, arm64 := hello(t, "amd64"), hello(t, "arm64")
	digests := map[string]string{}
	for file, binaries := range map[string]string{"amd64": amd64, "arm64": arm64, "both": arm64 + "," + amd64} {
		output := filepath.Join(folder, file+".tar")
		mustCommand(t, "", "build", "-binary", binaries, "-name", "hello:1.2.3", "-output", output)
		_, layout := members(t, bytes.NewReader(read(t, output)))
		digests[file] = descriptor(t, layout).Digest.String()
		reference := host + "/team/hello:" + file
		if printed := mustCommand(t, "", "push", "-tar", output, reference); printed != reference+"@"+digests[file]+"\n" {
			t.Errorf("push prints %q, not the digest %s", printed, digests[file])
		}
	}
	reference, err := name.ParseReference(host + "/team/hello:both")
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(reference, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 2 {
		t.Fatalf("the index has %d images, not 2", len(manifest.Manifests))
	}
	for i, arch := range []string{"amd64", "arm64"} {
		m := manifest.Manifests[i]
		if m.Platform.Architecture != arch || m.Digest.String() != digests[arch] {
			t.Errorf("image %d of the index is %s %s, not %s %s as alone", i, m.Platform, m.Digest, arch, digests[arch])
		}
	}
	if manifest.Annotations["org.opencontainers.image.version"] != "1.2.3" {
		t.Errorf("the annotations of the index are %q", manifest.Annotations)
	}
}
