// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/translate"
)

// conditionCase is a fact that a condition has to tell.
type conditionCase struct {
	name    string
	edits   []func(*status.Facts)
	kind    string
	status  metav1.ConditionStatus
	reason  string
	message string
	// stalled is true when only an edit helps.
	stalled bool
}

const (
	yes     = metav1.ConditionTrue
	no      = metav1.ConditionFalse
	unknown = metav1.ConditionUnknown
)

func conditionCases() []conditionCase {
	type edits = []func(*status.Facts)
	two := targets("192.0.2.1/rack", "192.0.2.2/spare")
	return []conditionCase{
		{"all is well", nil, v1alpha1.ConditionAccepted, yes, v1alpha1.ReasonAccepted, "the whole spec can be acted on", false},
		{
			"an address is denied",
			edits{reject("rack", "127.0.0.1")},
			v1alpha1.ConditionAccepted, no, v1alpha1.ReasonAddressDenied,
			`1 address is left out, all others are served: target "rack": 127.0.0.1 must not be targeted: loopback (127.0.0.0/8)`, true,
		},
		{
			"one is denied, one is no address",
			edits{reject("rack", "010.0.0.1"), reject("spare", "::ffff:169.254.169.254")},
			v1alpha1.ConditionAccepted, no, v1alpha1.ReasonAddressDenied,
			`2 addresses are left out, all others are served: target "rack": "010.0.0.1" is not an IPv4 or IPv6 address; ` +
				`target "spare": 169.254.169.254 must not be targeted: link-local, where metadata services live (169.254.0.0/16)`, true,
		},
		{
			"no address",
			edits{reject("rack", "host")},
			v1alpha1.ConditionAccepted, no, v1alpha1.ReasonInvalidSpec,
			`1 address is left out, all others are served: target "rack": "host" is not an IPv4 or IPv6 address`, true,
		},
		{"a value of the spec", edits{func(f *status.Facts) {
			f.Backend.SpecProblem = &translate.Problem{Reason: v1alpha1.ReasonInvalidSpec, Message: `spec.healthCheck.interval: "x" is wrong`}
		}}, v1alpha1.ConditionAccepted, no, v1alpha1.ReasonInvalidSpec, `spec.healthCheck.interval: "x" is wrong`, true},
		{
			"nothing to check",
			edits{of(func(s *corev1.Service) { s.Spec.Ports[0].Protocol = corev1.ProtocolUDP })},
			v1alpha1.ConditionAccepted, no, v1alpha1.ReasonCheckPortNotFound,
			`check "tcp" has no port and no TCP port is published that it could go to: set its port to a number, or use a check of kind none`, true,
		},

		{"all is well", nil, v1alpha1.ConditionServiceResolved, yes, v1alpha1.ReasonServiceResolved, `Service "payments" has every port that is named`, false},
		{
			"no Service",
			edits{of(nil)},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonServiceNotFound,
			`there is no Service "payments" in this namespace: create it without a selector, or correct spec.service.name`, false,
		},
		{
			"a selector",
			edits{of(func(s *corev1.Service) { s.Spec.Selector = map[string]string{"a": "b"} })},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonServiceHasSelector,
			`Service "payments" has a selector, so Kubernetes fills it with Pods: remove spec.selector of the Service, or use another Service`, true,
		},
		{
			"ExternalName",
			edits{of(func(s *corev1.Service) { s.Spec.Type, s.Spec.Ports = corev1.ServiceTypeExternalName, nil })},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonServiceExternalName,
			`Service "payments" is of type ExternalName, which sends clients to a DNS name and has no endpoints: change its type to ClusterIP and remove externalName`, true,
		},
		{
			"terminating",
			edits{of(func(s *corev1.Service) { s.DeletionTimestamp = new(metav1.Now()) })},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonServiceTerminating, `Service "payments" is being deleted`, false,
		},
		{
			"a port that is not there",
			edits{of(func(*corev1.Service) {}, v1alpha1.BackendPort{Name: "http", Port: 1}, v1alpha1.BackendPort{Name: "web", Port: 2})},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonPortNotFound,
			`spec.ports names "web" (TCP), but Service "payments" has "http" (TCP): use the name and protocol of a port of the Service`, true,
		},
		{
			"a named targetPort",
			edits{of(func(s *corev1.Service) { s.Spec.Ports[0].TargetPort = intstr.FromString("web") })},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonTargetPortNamed,
			`Service "payments" has ports whose targetPort is a name, which means nothing outside the cluster: "http" (targetPort "web"): list them in spec.ports with their number`, true,
		},

		{"all is well", nil, v1alpha1.ConditionTargetsResolved, yes, v1alpha1.ReasonTargetsResolved, "every target has its addresses", false},
		{
			"listed in two entries",
			edits{lose("192.0.2.1/spare", owner, "rack")},
			v1alpha1.ConditionTargetsResolved, yes, v1alpha1.ReasonDuplicateAddress,
			`192.0.2.1 is also listed in "rack" and served from there`, false,
		},
		{
			"listed twice in one entry",
			edits{lose("192.0.2.1/rack", owner, "rack")},
			v1alpha1.ConditionTargetsResolved, yes, v1alpha1.ReasonDuplicateAddress,
			`192.0.2.1 is listed more than once in "rack" and served once`, false,
		},
		{
			"served by another, told before own duplicates",
			edits{lose("192.0.2.1/rack", owner, "rack"), lose("192.0.2.3/rack", older, "old")},
			v1alpha1.ConditionTargetsResolved, yes, v1alpha1.ReasonServedByAnother,
			`192.0.2.3 is served by the older ExternalBackend "veteran" (target "old"); 192.0.2.1 is listed more than once in "rack" and served once`, false,
		},
		{
			"an entry all of whose addresses others serve",
			edits{serve(two[:1], health.Healthy), lose("192.0.2.2/spare", older, "old")},
			v1alpha1.ConditionTargetsResolved, yes, v1alpha1.ReasonServedByAnother,
			`192.0.2.2 is served by the older ExternalBackend "veteran" (target "old")`, false,
		},
		{
			"a family that the Service does not have",
			edits{func(f *status.Facts) { f.Excluded = targets("2001:db8::1/rack", "192.0.2.9/rack") }},
			v1alpha1.ConditionTargetsResolved, yes, v1alpha1.ReasonFamilyNotServed,
			"2001:db8::1 is not served: the Service has no IPv6; 192.0.2.9 is not served: the Service has no IPv4", false,
		},
		{
			"an entry without an address",
			edits{serve(two[:1], health.Healthy)},
			v1alpha1.ConditionTargetsResolved, no, v1alpha1.ReasonNoAddresses,
			`1 target has no address that can be served (see status.sources): "spare"`, true,
		},
		{
			"no entry has an address",
			edits{serve(nil)},
			v1alpha1.ConditionTargetsResolved, no, v1alpha1.ReasonNoAddresses,
			`2 targets have no address that can be served (see status.sources): "rack"; "spare"`, true,
		},

		{"all is well", nil, v1alpha1.ConditionPublished, yes, v1alpha1.ReasonPublished, "the EndpointSlices are up to date", false},
		{
			"nothing can be published",
			edits{of(nil)},
			v1alpha1.ConditionPublished, no, v1alpha1.ReasonNotPublishable,
			"nothing is written until the Service can be served: see the condition ServiceResolved", false,
		},
		{
			"a write fails",
			edits{func(f *status.Facts) { f.WriteError = errors.New("quota exceeded") }},
			v1alpha1.ConditionPublished, no, v1alpha1.ReasonWriteFailed,
			"the EndpointSlices could not be written and will be tried again: quota exceeded", false,
		},

		{"all are healthy", nil, v1alpha1.ConditionHealthy, yes, v1alpha1.ReasonAllHealthy, "2 of 2 addresses are healthy", false},
		{
			"some are not",
			edits{serve(two, health.Healthy, health.Unhealthy)},
			v1alpha1.ConditionHealthy, no, v1alpha1.ReasonSomeUnhealthy,
			"1 of 2 addresses are healthy", false,
		},
		{
			"none is",
			edits{serve(two, health.Unhealthy, health.Unhealthy)},
			v1alpha1.ConditionHealthy, no, v1alpha1.ReasonNoneHealthy,
			"0 of 2 addresses are healthy", false,
		},
		{
			"one is not, the other is not judged",
			edits{serve(two, health.Unknown, health.Unhealthy)},
			v1alpha1.ConditionHealthy, no, v1alpha1.ReasonNoneHealthy,
			"0 of 2 addresses are healthy", false,
		},
		{
			"some are not judged",
			edits{serve(two, health.Healthy, health.Unknown)},
			v1alpha1.ConditionHealthy, unknown, v1alpha1.ReasonChecksPending,
			"1 of 2 addresses are healthy, the others wait for their first verdict", false,
		},
		{"no address", edits{serve(nil)}, v1alpha1.ConditionHealthy, unknown, v1alpha1.ReasonNoTargets, "there is no address to check", true},
		{
			"checks are obstructed",
			edits{func(f *status.Facts) { f.Health[1].Obstacle = health.NetworkUnreachable }},
			v1alpha1.ConditionHealthy, yes, v1alpha1.ReasonAllHealthy,
			"2 of 2 addresses are healthy; checks that cannot be carried out right now: 192.0.2.2 (NetworkUnreachable)", false,
		},

		{"all is well", nil, v1alpha1.ConditionReady, yes, v1alpha1.ReasonReady, "everything is published as specified", false},
	}
}

func TestConditions(t *testing.T) {
	for _, tt := range conditionCases() {
		t.Run(tt.kind+": "+tt.name, func(t *testing.T) {
			outcome := status.Compute(backend(), good(tt.edits...))
			want := metav1.Condition{
				Type: tt.kind, Status: tt.status, Reason: tt.reason, Message: tt.message, ObservedGeneration: 7,
				LastTransitionTime: metav1.Date(2026, 1, 2, 3, 4, 5, 0, now.Location()),
			}
			if diff := gocmp.Diff(want, find(t, outcome, tt.kind)); diff != "" {
				t.Errorf("condition (-want +got):\n%s", diff)
			}
			checkSummary(t, outcome)
			stalled := slices.ContainsFunc(outcome.Status.Conditions, func(c metav1.Condition) bool { return c.Type == v1alpha1.ConditionStalled })
			if stalled != tt.stalled {
				t.Errorf("stalled: %t", stalled)
			}
		})
	}
}

// checkSummary checks what holds always: which conditions there are, that
// Ready repeats the first that is in its way, Healthy having no part in it, and
// that Stalled repeats one that an edit can change.
func checkSummary(t *testing.T, outcome status.Outcome) {
	t.Helper()
	ready := find(t, outcome, v1alpha1.ConditionReady)
	wantStatus, wantReason, wantMessage := yes, v1alpha1.ReasonReady, "everything is published as specified"
	for _, kind := range []string{
		v1alpha1.ConditionPublished, v1alpha1.ConditionTargetsResolved, v1alpha1.ConditionServiceResolved, v1alpha1.ConditionAccepted,
	} {
		if c := find(t, outcome, kind); c.Status != yes {
			wantStatus, wantReason, wantMessage = no, c.Reason, c.Message
		}
	}
	if ready.Status != wantStatus || ready.Reason != wantReason || ready.Message != wantMessage {
		t.Errorf("Ready is %s, %s, %q; want %s, %s, %q", ready.Status, ready.Reason, ready.Message, wantStatus, wantReason, wantMessage)
	}
	var kinds []string
	for _, c := range outcome.Status.Conditions {
		kinds = append(kinds, c.Type)
		if c.Type != v1alpha1.ConditionStalled {
			continue
		}
		repeats := slices.ContainsFunc(outcome.Status.Conditions, func(o metav1.Condition) bool {
			return o.Type != c.Type && o.Status == no && o.Reason == c.Reason && o.Message == c.Message
		})
		if c.Status != yes || !repeats {
			t.Errorf("Stalled is %s, %s, %q", c.Status, c.Reason, c.Message)
		}
	}
	always := "Accepted ServiceResolved TargetsResolved Published Healthy Ready"
	if got := strings.Join(kinds, " "); got != always && got != always+" Stalled" {
		t.Errorf("conditions %s", got)
	}
}

// TestEveryReasonAndConditionOfTheAPIIsProduced by a case above: a constant
// that nothing produces is a promise that is not kept.
func TestEveryReasonAndConditionOfTheAPIIsProduced(t *testing.T) {
	produced := make(map[string]bool)
	for _, tt := range conditionCases() {
		for _, c := range status.Compute(backend(), good(tt.edits...)).Status.Conditions {
			produced[c.Reason], produced[c.Type] = true, true
		}
	}
	declared := constants(t)
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		if !produced[declared[name]] {
			t.Errorf("no case produces %s (%q)", name, declared[name])
		}
	}
	if len(declared) < 20 {
		t.Errorf("only %d constants found", len(declared))
	}
}

// constants reads the exported Reason and Condition constants of the API
// package from its source.
func constants(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "..", "api", "v1alpha1", "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("found %v, %v", paths, err)
	}
	found := make(map[string]string)
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Reason") && !strings.HasPrefix(spec.Names[0].Name, "Condition") {
				return true
			}
			literal, ok := spec.Values[0].(*ast.BasicLit)
			if !ok {
				t.Fatalf("%s is no literal", spec.Names[0].Name)
			}
			if found[spec.Names[0].Name], err = strconv.Unquote(literal.Value); err != nil {
				t.Fatal(err)
			}
			return true
		})
	}
	return found
}
