// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"debug/elf"
	le "encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// at writes bytes into a program.
func at(offset int, value ...byte) func([]byte) []byte {
	return func(content []byte) []byte {
		copy(content[offset:], value)
		return content
	}
}

// interpreted makes a program ask for a dynamic linker.
func interpreted(content []byte) []byte {
	segments := int(le.LittleEndian.Uint64(content[32:]))
	le.LittleEndian.PutUint32(content[segments:], uint32(elf.PT_INTERP))
	return content
}

func TestBinariesThatWouldNotStart(t *testing.T) {
	for name, c := range map[string]struct {
		change func([]byte) []byte
		wanted string
	}{
		"another format":       {func([]byte) []byte { return []byte("MZ and so on") }, "is no ELF binary: build it with GOOS=linux"},
		"empty":                {func([]byte) []byte { return nil }, "is no ELF binary"},
		"cut off":              {func(b []byte) []byte { return b[:40] }, "is no ELF binary"},
		"FreeBSD":              {at(7, byte(elf.ELFOSABI_FREEBSD)), "is built for another system than Linux (ELFOSABI_FREEBSD)"},
		"another machine":      {at(18, byte(elf.EM_RISCV)), "is built for EM_RISCV: images are made for amd64 and arm64"},
		"an object file":       {at(16, byte(elf.ET_REL)), "is no program (ET_REL)"},
		"a library":            {at(24, make([]byte, 8)...), "has no entry point"},
		"dynamic":              {interpreted, "is linked dynamically, and the image has no libraries: build it with CGO_ENABLED=0"},
		"another system of Go": {func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("GOOS=linux"), []byte("GOOS=haiku")) }, "is built for haiku"},
	} {
		t.Run(name, func(t *testing.T) {
			output, file := filepath.Join(t.TempDir(), "hello.tar"), hello(t, "amd64", c.change)
			_, err := command(t, "", "build", "-binary", file, "-name", "hello:1", "-output", output)
			if err == nil || !strings.HasPrefix(err.Error(), file+" ") || !strings.Contains(err.Error(), c.wanted) {
				t.Errorf("it says %v, not %q", err, c.wanted)
			}
			if _, err := os.Stat(output); err == nil {
				t.Error("it has written an image all the same")
			}
		})
	}
}

func TestBadUse(t *testing.T) {
	program, output := hello(t, "amd64"), filepath.Join(t.TempDir(), "hello.tar")
	build := []string{"build", "-binary", program, "-name", "hello:1", "-output", output}
	with := func(more ...string) []string { return slices.Concat(build, more) }
	// Without the magic bytes of the build information, Go knows nothing about it.
	foreign := hello(t, "amd64", func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte("\xff Go buildinf:"), []byte("\xff no buildinf:"))
	})
	for name, c := range map[string]struct {
		epoch  string
		args   []string
		wanted string
	}{
		"unknown command":     {"", []string{"bild"}, `no command "bild"`},
		"bad time":            {"now", build, `SOURCE_DATE_EPOCH is "now"`},
		"time before 1970":    {"-1", build, `SOURCE_DATE_EPOCH is "-1"`},
		"no binary":           {"", []string{"build", "-name", "hello:1", "-output", output}, "-binary is missing"},
		"no output":           {"", []string{"build", "-binary", program, "-name", "hello:1"}, "-output is missing"},
		"no tag":              {"", with("-name", "hello"), "it must be a name with a tag"},
		"bad name":            {"", with("-name", "Hello:1"), "it must be a name with a tag"},
		"missing binary":      {"", with("-binary", "/nowhere/x"), "reading the binary: open /nowhere/x"},
		"same platform twice": {"", with("-binary", program), "give one for each platform"},
		"user by name":        {"", with("-user", "nonroot"), "it must be UID:GID in numbers"},
		"relative file":       {"", with("-file", program+"=etc/x"), "it must be absolute and plain"},
		"file that climbs":    {"", with("-file", program+"=/a/../../x"), "it must be absolute and plain"},
		"file without path":   {"", with("-file", program), "it must be FILE=PATH"},
		"missing file":        {"", with("-file", "/nowhere/x=/x"), "reading a file for the image"},
		"path taken":          {"", with("-file", program+"=/hello"), "two files of the image are called /hello"},
		"file in a file":      {"", with("-file", program+"=/hello/x"), "/hello of the image is a file"},
		"not made by Go":      {"", []string{"build", "-binary", foreign, "-name", "hello:1", "-output", output}, "make the image with -sbom=false"},
		"arguments":           {"", with("more"), "1 arguments behind the flags"},
		"push of nothing":     {"", []string{"push", "-tar", output}, "0 arguments behind the flags"},
		"push of no tar":      {"", []string{"push", "-tar", program, "registry.example.com/hello:1"}, "reading " + program},
		"push to no name":     {"", []string{"push", "-tar", program, "Hello World"}, "is no name of an image"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := command(t, c.epoch, c.args...)
			if err == nil || !strings.Contains(err.Error(), c.wanted) {
				t.Errorf("it says %v, not %q", err, c.wanted)
			}
		})
	}
	mustCommand(t, "", "build", "-binary", foreign, "-name", "hello:1", "-output", output, "-sbom=false")
}
