// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Command image makes OCI images of single static binaries without a daemon, the
// same bytes for the same inputs, and pushes them to a registry.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const usage = `Usage:
  image build -binary FILE[,FILE...] -name NAME:TAG -output FILE.tar [flags]
  image rootfs -binary FILE -name NAME:TAG -output FOLDER
  image push -tar FILE.tar REFERENCE

build makes an image of a static Linux binary. One binary gives a tar that
docker load, podman load and ctr images import take; several of different
platforms give an OCI layout with an index of them all. Times are those of
SOURCE_DATE_EPOCH (seconds since 1970, default 0).
rootfs writes the files of such an image into a folder, for a Dockerfile.
push copies a tar that build has made to a registry.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Getenv("SOURCE_DATE_EPOCH"), os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		stop()
		os.Exit(1)
	}
}

// run does what args say. Results go to out, help to help.
func run(ctx context.Context, args []string, epoch string, out, help io.Writer) error {
	if len(args) == 0 {
		args = []string{"help"}
	}
	created, err := parseEpoch(epoch)
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("image "+args[0], flag.ContinueOnError)
	flags.SetOutput(help)
	switch args[0] {
	case "build":
		return runBuild(flags, args[1:], created, out)
	case "rootfs":
		return runRootfs(flags, args[1:], created)
	case "push":
		return runPush(ctx, flags, args[1:], out)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(help, usage)
		return flag.ErrHelp
	default:
		return fmt.Errorf("there is no command %q: use build, rootfs or push, see image help", args[0])
	}
}

func parseEpoch(epoch string) (time.Time, error) {
	if epoch == "" {
		return time.Unix(0, 0).UTC(), nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	// A tar header of the plainest format has room for 33 bits.
	if err != nil || seconds < 0 || seconds >= 1<<33 {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q: it must be seconds since 1970, such as $(git log -1 --format=%%ct)", epoch)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

func runBuild(flags *flag.FlagSet, args []string, created time.Time, out io.Writer) error {
	s := settings{created: created}
	flags.Func("binary", "static Linux `files`, separated by commas: one for each platform (required)", func(list string) error {
		s.binaries = append(s.binaries, strings.Split(list, ",")...)
		return nil
	})
	flags.StringVar(&s.name, "name", "", "name and tag of the image, such as externalbackend-operator:0.1.0; the tag is the version in the labels (required)")
	output := flags.String("output", "", "tar `file` to write (required)")
	flags.StringVar(&s.path, "entrypoint", "", "`path` in the image that the binary is put at, and started from (default / and the name of the binary)")
	flags.StringVar(&s.user, "user", "65532:65532", "`UID:GID` that the image runs as")
	flags.Func("file", "one more file for the image, as `FILE=PATH`; repeatable", func(pair string) error {
		from, to, found := strings.Cut(pair, "=")
		if !found || from == "" || to == "" {
			return errors.New("it must be FILE=PATH, such as Corefile=/etc/coredns/Corefile")
		}
		s.files = append(s.files, extraFile{from: from, to: to})
		return nil
	})
	flags.BoolVar(&s.sbom, "sbom", true, "put a software bill of materials into the image, and beside the tar if it is of one platform")
	flags.StringVar(&s.description, "description", "", "label org.opencontainers.image.description")
	flags.StringVar(&s.revision, "revision", "", "label org.opencontainers.image.revision")
	flags.StringVar(&s.source, "source", "", "label org.opencontainers.image.source")
	flags.StringVar(&s.url, "url", "", "label org.opencontainers.image.url")
	flags.StringVar(&s.licenses, "licenses", "Apache-2.0", "label org.opencontainers.image.licenses")
	if err := parse(flags, args, 0); err != nil {
		return err
	}
	if err := required(map[string]string{"binary": strings.Join(s.binaries, ""), "name": s.name, "output": *output}); err != nil {
		return err
	}
	return build(s, *output, out)
}

func runRootfs(flags *flag.FlagSet, args []string, created time.Time) error {
	s := settings{created: created, sbom: true}
	path := flags.String("binary", "", "static Linux `file` (required)")
	flags.StringVar(&s.name, "name", "", "name and tag of the image, as for build (required)")
	output := flags.String("output", "", "`folder` to write; what is in it is deleted (required)")
	if err := parse(flags, args, 0); err != nil {
		return err
	}
	if err := required(map[string]string{"binary": *path, "name": s.name, "output": *output}); err != nil {
		return err
	}
	s.binaries = []string{*path}
	return writeRootfs(s, *output)
}

func runPush(ctx context.Context, flags *flag.FlagSet, args []string, out io.Writer) error {
	tar := flags.String("tar", "", "`file` that image build has written (required)")
	if err := parse(flags, args, 1); err != nil {
		return err
	}
	if err := required(map[string]string{"tar": *tar}); err != nil {
		return err
	}
	return push(ctx, *tar, flags.Arg(0), out)
}

// parse takes flags and exactly so many arguments behind them.
func parse(flags *flag.FlagSet, args []string, arguments int) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != arguments {
		return fmt.Errorf("%d arguments behind the flags, where %d must be: see %s -h", flags.NArg(), arguments, flags.Name())
	}
	return nil
}

func required(values map[string]string) error {
	for _, name := range []string{"binary", "name", "tar", "output"} {
		if value, asked := values[name]; asked && value == "" {
			return fmt.Errorf("-%s is missing", name)
		}
	}
	return nil
}
