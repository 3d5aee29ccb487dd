// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// binary is a static Linux program.
type binary struct {
	file     string // where it was read from
	content  []byte
	platform v1.Platform
	info     *buildinfo.BuildInfo // nil if it was not made by Go
}

// architectures are the machines that images are made for, by their names in OCI.
var architectures = map[elf.Machine]string{
	elf.EM_X86_64:  "amd64",
	elf.EM_AARCH64: "arm64",
}

// readBinary reads a program and says for which platform it is. It refuses what
// would not start in an image that holds nothing else.
func readBinary(file string) (*binary, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the binary: %w", err)
	}
	arch, err := architecture(content)
	if err != nil {
		return nil, fmt.Errorf("%s %w", file, err)
	}
	b := &binary{file: file, content: content, platform: v1.Platform{OS: "linux", Architecture: arch}}
	if info, err := buildinfo.Read(bytes.NewReader(content)); err == nil {
		b.info = info
	}
	if system := b.setting("GOOS"); system != "" && system != "linux" {
		return nil, fmt.Errorf("%s is built for %s: build it with GOOS=linux", file, system)
	}
	return b, nil
}

// architecture returns the OCI name of the machine of a static ELF program. Its
// errors go on from the name of the file.
func architecture(content []byte) (string, error) {
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return "", fmt.Errorf("is no ELF binary: build it with GOOS=linux (%w)", err)
	}
	defer func() { _ = f.Close() }()
	if f.OSABI != elf.ELFOSABI_NONE && f.OSABI != elf.ELFOSABI_LINUX {
		return "", fmt.Errorf("is built for another system than Linux (%s): build it with GOOS=linux", f.OSABI)
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return "", fmt.Errorf("is no program (%s): give what the linker wrote", f.Type)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return "", errors.New("is linked dynamically, and the image has no libraries: build it with CGO_ENABLED=0 or link it statically")
		}
	}
	arch, known := architectures[f.Machine]
	if !known || f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB {
		return "", fmt.Errorf("is built for %s: images are made for amd64 and arm64", f.Machine)
	}
	// A shared library has neither an interpreter nor an entry point.
	if f.Entry == 0 {
		return "", errors.New("has no entry point: it is a library, not a program")
	}
	return arch, nil
}

// base is the name of the file.
func (b *binary) base() string { return filepath.Base(b.file) }

// setting returns a setting of the Go build, "" if it is unknown.
func (b *binary) setting(key string) string {
	if b.info == nil {
		return ""
	}
	for _, s := range b.info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
