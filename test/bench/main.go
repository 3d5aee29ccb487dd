// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command bench measures how the operator publishes: the time from a verdict
// to the event that a consumer of EndpointSlices gets, the writes and the
// processor time that it takes, cold start and restart. It does so on a real
// etcd and kube-apiserver, in turn with kube-controller-manager, whose
// EndpointSlice controller does the equivalent for Pods; and of the operator
// alone beside names that no name server answers for, and with EC2 instances. It
// also runs the Go benchmarks of the packages below internal.
//
// Operator, kube-controller-manager and the consumer are processes of their
// own. The operator is wired as cmd/manager does it and has its default
// settings; only its checks touch no network, and verdicts can be put in.
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

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"externalbackend.dev/operator/test/aws/fake"
)

// roleOperator is the argument that makes this program be the operator.
const roleOperator = "operator"

type options struct {
	binaries   string
	report     string
	profile    string
	sizes      []int
	samples    int
	cold       int
	coldRounds int
	names      int
	fleet      int
	goTests    bool
	opponent   bool
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == roleOperator {
		if err := serveOperator(os.Args[2], os.Args[3], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench: operator:", err)
			os.Exit(1)
		}
		return
	}
	o, err := parseOptions(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.StringVar(&o.binaries, "bin", "bin", "folder with etcd, kube-apiserver and kube-controller-manager")
	flags.StringVar(&o.report, "report", "", "Markdown file that gets the results, between its two marks")
	flags.StringVar(&o.profile, "profile", "", "file that gets a CPU profile of the operator during the flips of one address at the largest size")
	sizes := flags.String("sizes", "100,1000,10000", "numbers of endpoints of the Services whose addresses flip; empty: none")
	flags.IntVar(&o.samples, "samples", 100, "flips of one address on each side at each size; of the other kinds there are fewer")
	flags.IntVar(&o.cold, "cold", 10000, "number of endpoints of the Service that is published anew; 0: none")
	flags.IntVar(&o.coldRounds, "cold-rounds", 3, "how often cold start and restart are measured")
	flags.IntVar(&o.names, "names", 10000, "number of names that a name server stops answering for, beside flips; 0: none")
	flags.IntVar(&o.fleet, "ec2", maxFleet, "number of EC2 instances that are published; 0: nothing about EC2 is measured")
	only := flags.String("only", "", "measure nothing but this: ec2")
	flags.BoolVar(&o.goTests, "go", true, "run the Go benchmarks as well")
	flags.BoolVar(&o.opponent, "opponent", true, "measure kube-controller-manager as well")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	for size := range strings.SplitSeq(*sizes, ",") {
		if size == "" {
			continue
		}
		n, err := strconv.Atoi(size)
		if err != nil || n < 10 || n > 10000 {
			return o, fmt.Errorf("-sizes: %q is not a number from 10 to 10000", size)
		}
		o.sizes = append(o.sizes, n)
	}
	if o.samples < 2 || o.cold < 0 || o.cold > 10000 || o.coldRounds < 1 {
		return o, errors.New("-samples must be 2 or more, -cold between 0 and 10000, -cold-rounds 1 or more")
	}
	if o.names < 0 || o.names > maxNames {
		return o, fmt.Errorf("-names must be between 0 and %d", maxNames)
	}
	if o.fleet < 0 || o.fleet > maxFleet {
		return o, fmt.Errorf("-ec2 must be between 0 and %d", maxFleet)
	}
	return o, o.restrict(*only)
}

// restrict leaves a part of what is measured.
func (o *options) restrict(only string) error {
	switch only {
	case "":
	case "ec2":
		o.sizes, o.cold, o.names, o.goTests = nil, 0, 0, false
	default:
		return fmt.Errorf("-only: there is no %q, only ec2", only)
	}
	return nil
}

// run measures everything, prints it, and writes the report if there is to be
// one. Progress goes to standard error.
func run(ctx context.Context, o options) error {
	began := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	r := &results{Machine: describeMachine(o.binaries), ColdSize: o.cold}
	if o.goTests {
		say("Go benchmarks")
		var err error
		if r.Go, err = runGoBenchmarks(ctx, os.Stderr); err != nil {
			return err
		}
	}
	folder, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	if err := measureWithAWS(ctx, o, folder, r, say); err != nil {
		return fmt.Errorf("%w (logs are in %s)", err, folder)
	}
	say("done")
	for _, part := range r.parts() {
		fmt.Print(part.text)
		if o.report == "" {
			continue
		}
		if err := writeReport(o.report, part.marks, part.text); err != nil {
			return err
		}
	}
	return os.RemoveAll(folder)
}

// measureWithAWS takes the figures that want AWS, or an API server.
func measureWithAWS(ctx context.Context, o options, folder string, r *results, say func(string, ...any)) error {
	aws, err := startAWS()
	if err != nil {
		return err
	}
	defer aws.Close()
	if o.fleet > 0 {
		say("requests to AWS of 1, 100 and 1000 ExternalBackends, for %s", callsFor)
		if r.Fleet.Calls, err = measureCalls(ctx, aws, callsFor); err != nil {
			return fmt.Errorf("requests to AWS: %w", err)
		}
	}
	return measureOnCluster(ctx, o, folder, aws, r, say)
}

// measureOnCluster takes the figures that want an API server.
func measureOnCluster(ctx context.Context, o options, folder string, aws *fake.Server, r *results, say func(string, ...any)) error {
	if o.cold == 0 && len(o.sizes) == 0 && o.names == 0 && o.fleet == 0 {
		return nil
	}
	ctrl.SetLogger(zap.New(zap.WriteTo(io.Discard))) // the operator process has a log of its own
	c, err := startControlPlane(o.binaries, folder, aws)
	if err != nil {
		return err
	}
	defer c.stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the watches, which the API server would wait for
	if err := c.startOperator(); err != nil {
		return err
	}
	if o.cold > 0 {
		if err := c.measureLifecycle(ctx, o, r, say); err != nil {
			return err
		}
	}
	if len(o.sizes) > 0 {
		if err := c.measureSizes(ctx, o, r, say); err != nil {
			return err
		}
	}
	if o.names > 0 {
		if err := c.measureNames(ctx, o, r, say); err != nil {
			return fmt.Errorf("beside names: %w", err)
		}
	}
	if o.fleet > 0 {
		if err := c.measureFleet(ctx, o, r, say); err != nil {
			return fmt.Errorf("EC2 instances: %w", err)
		}
	}
	return nil
}

// measureSizes takes the figures about flips at every size.
func (c *controlPlane) measureSizes(ctx context.Context, o options, r *results, say func(string, ...any)) error {
	if o.opponent {
		if err := errors.Join(createNodes(ctx, c.kube), c.startControllerManager()); err != nil {
			return err
		}
	}
	for i, size := range o.sizes {
		profile := ""
		if i == len(o.sizes)-1 {
			profile = o.profile
		}
		measured, err := c.measureFlips(ctx, o, i, profile, say)
		if err != nil {
			return fmt.Errorf("at %d endpoints: %w", size, err)
		}
		r.Flips = append(r.Flips, measured...)
	}
	return nil
}

func (c *controlPlane) measureLifecycle(ctx context.Context, o options, r *results, say func(string, ...any)) error {
	l, err := c.lane(ctx, "cold", addressBlock(0, o.cold))
	if err != nil {
		return err
	}
	l.side = ours{c.operator}
	say("cold start at %d endpoints, %d times", o.cold, o.coldRounds)
	if r.ColdStarts, err = c.measureColdStarts(ctx, l, o.coldRounds); err != nil {
		return fmt.Errorf("cold start: %w", err)
	}
	say("restart at %d endpoints, %d times", o.cold, o.coldRounds)
	if r.Restarts, err = c.measureRestarts(ctx, l, o.coldRounds); err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	return c.remove(ctx, l)
}

// measureFlips takes all figures about flips at the size of that number.
func (c *controlPlane) measureFlips(ctx context.Context, o options, number int, profile string, say func(string, ...any)) ([]*flips, error) {
	size := o.sizes[number]
	say("%d endpoints: setting up", size)
	mine, err := c.oursLane(ctx, fmt.Sprintf("operator-%d", size), 1+2*number, size)
	if err != nil {
		return nil, err
	}
	contest := contest{lanes: []*lane{mine}}
	if o.opponent {
		pods, err := c.theirsLane(ctx, 2+2*number, size)
		if err != nil {
			return nil, err
		}
		contest.lanes = append(contest.lanes, pods)
	}
	var all []*flips
	for i, k := range kinds(size, o.samples) {
		say("%d endpoints: %s flip, %d times", size, k.name, k.rounds)
		if i == 0 && profile != "" {
			if _, err := c.operator.send(command{Profile: profile}); err != nil {
				return nil, err
			}
		}
		measured, err := contest.run(ctx, k)
		if err != nil {
			return nil, err
		}
		if i == 0 && profile != "" {
			if _, err := c.operator.send(command{EndProfile: true}); err != nil {
				return nil, err
			}
		}
		all = append(all, measured...)
		for _, f := range measured {
			say("  %-24s p50 %s ms, p99 %s ms, %v writes to %d touched slices, %s ms of CPU a flip",
				f.Side, millis(f.p50()), millis(f.p99()), f.Writes, f.Touched, millis(f.cpuPerFlip()))
		}
	}
	return all, nil
}
