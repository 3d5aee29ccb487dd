// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// bill returns the software bill of materials of a Go binary, as CycloneDX JSON:
// what the linker recorded in it, and nothing else. It has no serial number, so
// that the same binary has the same bill.
func bill(b *binary, version string, created time.Time) ([]byte, error) {
	if b.info == nil {
		return nil, fmt.Errorf("%s holds no record of its modules: build it with Go and with modules, or make the image with -sbom=false", b.file)
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Timestamp: created.Format(time.RFC3339), Component: program(b, version)}
	components := []cdx.Component{standardLibrary(b.info)}
	refs := []string{components[0].BOMRef}
	dependencies := []cdx.Dependency{}
	for _, module := range b.info.Deps {
		c := library(module)
		components, refs = append(components, c), append(refs, c.BOMRef)
	}
	// The binary does not record which module needs which: the program needs all.
	dependencies = append(dependencies, cdx.Dependency{Ref: bom.Metadata.Component.BOMRef, Dependencies: &refs})
	bom.Components, bom.Dependencies = &components, &dependencies

	var text bytes.Buffer
	// Scanners lag behind the newest version of the format.
	if err := cdx.NewBOMEncoder(&text, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return nil, fmt.Errorf("writing the software bill of materials of %s: %w", b.file, err)
	}
	return text.Bytes(), nil
}

// program describes the binary itself.
func program(b *binary, version string) *cdx.Component {
	path := b.info.Main.Path
	if path == "" {
		path = b.info.Path
	}
	// A module that was built where it is developed does not know its version.
	if v := b.info.Main.Version; v != "" && v != "(devel)" {
		version = v
	}
	sum := sha256.Sum256(b.content)
	c := component(cdx.ComponentTypeApplication, path, version)
	c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}}
	properties := []cdx.Property{{Name: "go:package", Value: b.info.Path}}
	for _, s := range b.info.Settings {
		switch s.Key {
		case "GOOS", "GOARCH", "GOAMD64", "GOARM64", "CGO_ENABLED", "-trimpath", "-tags":
			properties = append(properties, cdx.Property{Name: "go:" + s.Key, Value: s.Value})
		}
	}
	c.Properties = &properties
	return &c
}

// standardLibrary is the part of the Go distribution that is in every program.
func standardLibrary(info *buildinfo.BuildInfo) cdx.Component {
	version, _, _ := strings.Cut(strings.TrimPrefix(info.GoVersion, "go"), " ")
	return component(cdx.ComponentTypeLibrary, "stdlib", version)
}

// library describes a module, or what replaces it.
func library(module *debug.Module) cdx.Component {
	// A folder that replaces a module has no version that anybody knows.
	if module.Replace != nil && module.Replace.Version != "" {
		module = module.Replace
	}
	c := component(cdx.ComponentTypeLibrary, module.Path, module.Version)
	// The sum of go.sum is a SHA-256 over the names and digests of the files.
	if sum, found := strings.CutPrefix(module.Sum, "h1:"); found {
		if raw, err := base64.StdEncoding.DecodeString(sum); err == nil && module.Replace == nil {
			c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(raw)}}
		}
	}
	return c
}

func component(kind cdx.ComponentType, path, version string) cdx.Component {
	url := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	return cdx.Component{BOMRef: url, Type: kind, Name: path, Version: version, PackageURL: url}
}
