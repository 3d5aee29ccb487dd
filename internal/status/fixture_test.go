// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

var (
	now   = time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	owner = target.Owner{Name: "payments", UID: "uid-1", Created: now.Add(-time.Hour)}
	older = target.Owner{Name: "veteran", UID: "uid-0", Created: now.Add(-2 * time.Hour)}
)

func backend() *v1alpha1.ExternalBackend {
	return &v1alpha1.ExternalBackend{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "payments", UID: "uid-1", Generation: 7}}
}

// good is what is found when all is well: the entries rack and spare with one
// healthy address each.
func good(edits ...func(*status.Facts)) status.Facts {
	facts := status.Facts{
		Backend: &translate.Backend{
			Owner: owner, Entries: []translate.Entry{{Name: "rack"}, {Name: "spare"}}, Publishable: true,
		},
		ServiceName: "payments", ServiceUID: "svc-1",
		Targets: targets("192.0.2.1/rack", "192.0.2.2/spare"),
		Health:  []health.Status{{Verdict: health.Healthy, Fresh: true}, {Verdict: health.Healthy, Fresh: true}},
		Now:     now,
	}
	for _, edit := range edits {
		edit(&facts)
	}
	return facts
}

// targets parses "192.0.2.1/entry" items.
func targets(items ...string) []target.Target {
	list := make([]target.Target, len(items))
	for i, item := range items {
		addr, entry, _ := strings.Cut(item, "/")
		list[i] = target.Target{Addr: netip.MustParseAddr(addr), Entry: entry}
	}
	return list
}

// serve sets the targets and their verdicts.
func serve(list []target.Target, verdicts ...health.Verdict) func(*status.Facts) {
	return func(f *status.Facts) {
		f.Targets, f.Health = list, make([]health.Status, len(list))
		for i, v := range verdicts {
			f.Health[i].Verdict = v
		}
	}
}

// reject adds a rejection as the guard or the parser would.
func reject(entry, address string) func(*status.Facts) {
	return func(f *status.Facts) {
		addr, err := target.ParseAddr(address)
		reason := v1alpha1.ReasonInvalidSpec
		if err == nil {
			reason = v1alpha1.ReasonAddressDenied
			var m *guard.Matcher
			if m, err = guard.Compile(guard.Config{}); err == nil {
				err = m.Scope("shop").Addr(addr)
			}
		}
		f.Rejected = append(f.Rejected, status.Rejection{Entry: entry, Err: err, Reason: reason})
	}
}

func lose(item string, winner target.Owner, winnerEntry string) func(*status.Facts) {
	return func(f *status.Facts) {
		f.Losses = append(f.Losses, target.Loss{Target: targets(item)[0], Winner: winner, WinnerEntry: winnerEntry})
	}
}

// depart adds addresses that drain.
func depart(items ...string) func(*status.Facts) {
	return func(f *status.Facts) {
		for _, t := range targets(items...) {
			f.Draining = append(f.Draining, target.Departure{Target: t, Deadline: now.Add(time.Minute)})
		}
	}
}

// drain and disable set the states of entries.
func drain(entries ...string) func(*status.Facts) {
	return func(f *status.Facts) { f.Drain = set(entries) }
}

func disable(entries ...string) func(*status.Facts) {
	return func(f *status.Facts) { f.Disabled = set(entries) }
}

func set(names []string) map[string]bool {
	members := make(map[string]bool)
	for _, n := range names {
		members[n] = true
	}
	return members
}

// foreign adds a slice of somebody else.
func foreign(name, managedBy string) func(*status.Facts) {
	return func(f *status.Facts) {
		f.Foreign = append(f.Foreign, status.ForeignSlice{Name: name, ManagedBy: managedBy})
	}
}

// of translates for a Service that was edited, so that its problems are real.
func of(edit func(*corev1.Service), ports ...v1alpha1.BackendPort) func(*status.Facts) {
	return func(f *status.Facts) {
		var svc *corev1.Service
		if edit != nil {
			svc = &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Name: "payments"},
				Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.1", Ports: []corev1.ServicePort{
					{Name: "http", Protocol: corev1.ProtocolTCP, Port: 80, TargetPort: intstr.FromInt32(8080)},
				}},
			}
			edit(svc)
		}
		eb := backend()
		eb.Spec.Ports = ports
		eb.Spec.Targets = []v1alpha1.Target{{Name: "rack"}, {Name: "spare"}}
		translated := translate.ForService(eb, svc, 0)
		translated.Owner, translated.Entries = f.Backend.Owner, f.Backend.Entries
		f.Backend = &translated
	}
}

// after returns the object with the status that the facts led to.
func after(facts status.Facts) *v1alpha1.ExternalBackend {
	eb := backend()
	eb.Status = status.Compute(eb, facts).Status
	return eb
}

func find(t *testing.T, outcome status.Outcome, kind string) metav1.Condition {
	t.Helper()
	c := meta.FindStatusCondition(outcome.Status.Conditions, kind)
	if c == nil {
		t.Fatalf("no condition %s", kind)
	}
	return *c
}
