// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"net/netip"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/status"
)

// named says what is known of the name of an entry.
func named(entry string, n status.Source) func(*status.Facts) {
	return func(f *status.Facts) {
		if f.Sources == nil {
			f.Sources = make(map[string]status.Source)
		}
		f.Sources[entry] = n
	}
}

// deny adds a name that the guard refuses.
func deny(entry, hostname string) func(*status.Facts) {
	return func(f *status.Facts) {
		m, err := guard.Compile(guard.Config{})
		if err == nil {
			err = m.Scope("shop").Hostname(hostname)
		}
		f.Rejected = append(f.Rejected, status.Rejection{Entry: entry, Err: err, Reason: v1alpha1.ReasonNameDenied})
	}
}

// standBy has addresses wait for worse times.
func standBy(addresses ...string) func(*status.Facts) {
	return func(f *status.Facts) {
		f.Standby = make(map[netip.Addr]bool)
		for _, a := range addresses {
			f.Standby[netip.MustParseAddr(a)] = true
		}
	}
}

var (
	pending = status.Source{Subject: `"db.example.com"`, Unit: "records", Reason: v1alpha1.ReasonNamesPending}
	missing = status.Source{Subject: `"db.example.com"`, Unit: "records", Answered: true, Reason: v1alpha1.ReasonNameNotFound, Problem: `"db.example.com" does not exist`}
	failing = status.Source{Subject: `"db.example.com"`, Unit: "records", Reason: v1alpha1.ReasonNameServerFailed, Problem: "SERVFAIL"}
	silent  = status.Source{Subject: `"db.example.com"`, Unit: "records", Reason: v1alpha1.ReasonNameServerTimeout, Problem: "no answer"}
	unasked = status.Source{Subject: `"db.example.com"`, Unit: "records", Reason: v1alpha1.ReasonTooManyNames, Problem: "not asked"}
	crowded = status.Source{Subject: `"db.example.com"`, Unit: "records", Answered: true, Dropped: 3}
)

func stale(n status.Source) status.Source {
	n.Answered, n.StaleSince = true, now.Add(-time.Minute)
	return n
}

func expired(n status.Source) status.Source {
	n = stale(n)
	n.Expired = true
	return n
}

func nameCases() []conditionCase {
	type edits = []func(*status.Facts)
	one := serve(targets("192.0.2.1/rack"), health.Healthy)
	const (
		lacking = "1 target has no address that can be served (see status.sources): "
		kept    = ", and its addresses stay as they were"
	)
	return []conditionCase{
		{
			"a name that nothing is known of yet",
			edits{one, named("spare", pending)},
			v1alpha1.ConditionTargetsResolved, unknown, v1alpha1.ReasonNamesPending,
			`1 target has a name that nothing is known of yet: "spare"`, false,
		},
		{
			"a name that nothing is known of yet, and an entry without an address",
			edits{serve(nil), named("spare", pending)},
			v1alpha1.ConditionTargetsResolved, no, v1alpha1.ReasonNoAddresses,
			`2 targets have no address that can be served (see status.sources): "rack"; "spare"`, true,
		},
		{
			"a name that does not exist",
			edits{one, named("spare", missing)},
			v1alpha1.ConditionTargetsResolved, no, v1alpha1.ReasonNameNotFound,
			lacking + `"spare": "db.example.com" does not exist`, true,
		},
		{
			"a name that was never answered for, since the server fails",
			edits{one, named("spare", failing)},
			v1alpha1.ConditionTargetsResolved, no, v1alpha1.ReasonNameServerFailed, lacking + `"spare": SERVFAIL`, false,
		},
		{
			"a name that was never answered for, since no server replies",
			edits{one, named("spare", silent)},
			v1alpha1.ConditionTargetsResolved, no, v1alpha1.ReasonNameServerTimeout, lacking + `"spare": no answer`, false,
		},
		{
			"a name that is one too many",
			edits{one, named("spare", unasked)},
			v1alpha1.ConditionTargetsResolved, no, v1alpha1.ReasonTooManyNames, lacking + `"spare": not asked`, false,
		},
		{
			"a name whose last answer is too old",
			edits{one, named("spare", expired(silent))},
			v1alpha1.ConditionTargetsResolved, no, v1alpha1.ReasonMaxStaleExceeded, lacking + `"spare": no answer`, false,
		},
		{
			"a name with too many records",
			edits{named("spare", crowded)},
			v1alpha1.ConditionTargetsResolved, yes, v1alpha1.ReasonRecordsDropped,
			`target "spare": 3 records of "db.example.com" are more than are served`, false,
		},
		{
			"a name that is denied",
			edits{one, deny("spare", "db.svc")},
			v1alpha1.ConditionAccepted, no, v1alpha1.ReasonNameDenied,
			"1 address is left out, all others are served: target \"spare\": " + deniedText("db.svc"), true,
		},
		{
			"an old answer",
			edits{named("spare", stale(silent))},
			v1alpha1.ConditionStale, yes, v1alpha1.ReasonNameServerTimeout,
			`1 target is served by its last answer: target "spare" (since 2026-01-02T03:03:05Z): no answer` + kept, false,
		},
		{
			"old answers of two",
			edits{named("spare", stale(failing)), named("rack", stale(pending))},
			v1alpha1.ConditionStale, yes, v1alpha1.ReasonNameServerFailed,
			`2 targets are served by their last answers: target "rack" (since 2026-01-02T03:03:05Z): no answer yet` + kept +
				`; target "spare" (since 2026-01-02T03:03:05Z): SERVFAIL` + kept, false,
		},
		{
			"an answer that is too old",
			edits{one, named("spare", expired(silent))},
			v1alpha1.ConditionStale, yes, v1alpha1.ReasonNameServerTimeout,
			`1 target is served by its last answer: target "spare" (since 2026-01-02T03:03:05Z): no answer, and its addresses have been taken out, since that is longer than maxStale`, false,
		},
		{
			"some stand by",
			edits{standBy("192.0.2.2")},
			v1alpha1.ConditionHealthy, yes, v1alpha1.ReasonAllHealthy,
			"2 of 2 addresses are healthy, 1 stands by, since a better tier suffices", false,
		},
	}
}

func deniedText(hostname string) string {
	facts := good(deny("spare", hostname))
	return facts.Rejected[0].Err.Error()
}

// TestNameRows: what of a name is told in the row of its entry.
func TestNameRows(t *testing.T) {
	got := status.Compute(backend(), good(named("rack", stale(failing)), named("spare", crowded))).Status.Sources
	want := []v1alpha1.SourceStatus{
		{Target: "rack", Addresses: 1, Problem: "SERVFAIL", StaleSince: new(metav1.NewTime(now.Add(-time.Minute).Truncate(time.Second)))},
		{Target: "spare", Addresses: 1, Problem: `3 records of "db.example.com" are more than are served`},
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

// TestStandbyCounts: what stands by is healthy and told apart from what serves.
func TestStandbyCounts(t *testing.T) {
	outcome := status.Compute(backend(), good(standBy("192.0.2.2"), flip(sliceplan.Flip{Entry: "spare"}, "192.0.2.2")))
	if want := (v1alpha1.TargetCounts{Total: 2, Healthy: 1, Standby: 1}); outcome.Status.Targets != want {
		t.Errorf("targets %+v, want %+v", outcome.Status.Targets, want)
	}
	want := []string{"Normal Withdraw TargetsStandBy: 1 address stands by, since a better tier suffices: 192.0.2.2"}
	if diff := gocmp.Diff(want, eventsText(outcome.Flips)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// TestNameEvents: the beginning and the end of old answers are told.
func TestNameEvents(t *testing.T) {
	old := named("spare", stale(silent))
	begin := status.Compute(after(good()), good(old))
	want := []string{`Warning ResolveNames NameServerTimeout: 1 target is served by its last answer: target "spare" (since 2026-01-02T03:03:05Z): no answer, and its addresses stay as they were`}
	if diff := gocmp.Diff(want, eventsText(begin.Transitions)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	end := status.Compute(after(good(old)), good())
	want = []string{"Normal ResolveNames NamesAnswered: the name servers answer for every name again"}
	if diff := gocmp.Diff(want, eventsText(end.Transitions)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
