// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
)

// flipEvents tells which addresses went in or out, one event for each cause
// however many they are. What somebody wants out is no reason for a warning.
func flipEvents(facts Facts) []Event {
	var in, out, draining, disabled, standby []string
	var reasons map[string]string
	if len(facts.Flips) > 0 {
		reasons = failures(facts)
	}
	for _, f := range facts.Flips {
		switch {
		case f.Draining:
			draining = append(draining, f.Address)
		case f.Ready:
			in = append(in, f.Address)
		case facts.Disabled[f.Entry]:
			disabled = append(disabled, f.Address)
		case facts.standsBy(f.Address):
			standby = append(standby, f.Address)
		case reasons[f.Address] != "":
			out = append(out, f.Address+" ("+reasons[f.Address]+")")
		default:
			out = append(out, f.Address)
		}
	}
	var gone []string
	for _, addr := range slices.SortedFunc(slices.Values(facts.Drained), netip.Addr.Compare) {
		gone = append(gone, addr.String())
	}
	var events []Event
	tell := func(kind, reason, action string, addresses []string, one, many string) {
		if len(addresses) > 0 {
			events = append(events, Event{Type: kind, Reason: reason, Action: action, Message: plural(len(addresses), one, many) + naming(addresses)})
		}
	}
	tell(corev1.EventTypeWarning, "TargetsUnhealthy", "Withdraw", out, "address no longer takes traffic: ", "addresses no longer take traffic: ")
	tell(corev1.EventTypeNormal, "TargetsHealthy", "Admit", in, "address takes traffic: ", "addresses take traffic: ")
	tell(corev1.EventTypeNormal, "TargetsDisabled", "Withdraw", disabled, "address is disabled and takes no traffic: ", "addresses are disabled and take no traffic: ")
	tell(corev1.EventTypeNormal, "TargetsStandBy", "Withdraw", standby, "address stands by, since a better tier suffices: ", "addresses stand by, since a better tier suffices: ")
	tell(corev1.EventTypeNormal, "TargetsDraining", "Drain", draining, "address drains and gets no new connections: ", "addresses drain and get no new connections: ")
	tell(corev1.EventTypeNormal, "TargetsDrained", "Drain", gone, "address has drained and is gone: ", "addresses have drained and are gone: ")
	return events
}

// failures are the reasons why addresses are not healthy, by address.
func failures(facts Facts) map[string]string {
	reasons := make(map[string]string)
	for i, t := range facts.Targets {
		h := &facts.Health[i]
		if h.Reason == "" {
			continue
		}
		text := string(h.Reason)
		if code := facts.code(t, h); code != 0 {
			text += fmt.Sprintf(", HTTP %d", code)
		}
		reasons[t.Addr.String()] = text
	}
	return reasons
}

// conditionEvents tells each transition once. Ready, Stalled and a Published
// that waits for the Service repeat what others say, and a first status that is
// as it should be is no news, but that something is published.
func conditionEvents(transitions []transition) []Event {
	var events []Event
	for _, t := range transitions {
		c := t.next
		if c.Type == "" {
			c = ended(t.previous)
		}
		if slices.Contains([]string{"", v1alpha1.ConditionReady, v1alpha1.ConditionStalled}, c.Type) || c.Reason == v1alpha1.ReasonNotPublishable {
			continue
		}
		_, passing := over[c.Type]
		bad := c.Status == metav1.ConditionFalse && !passing || told[c.Reason]
		if t.previous == nil && !bad && c.Reason != v1alpha1.ReasonPublished {
			continue
		}
		events = append(events, conditionEvent(c, bad))
	}
	return events
}

func conditionEvent(c metav1.Condition, bad bool) Event {
	event := Event{Type: corev1.EventTypeNormal, Reason: c.Reason, Action: actions[c.Type], Message: bounded(c.Message, 1024)}
	if c.Type == v1alpha1.ConditionStale && (slices.Contains(awsReasons, c.Reason) || c.Reason == listed.Reason) {
		event.Action = "ListInstances"
	}
	if bad {
		event.Type = corev1.EventTypeWarning
	}
	return event
}

// ended says what it means that a condition is there no more.
func ended(previous *metav1.Condition) metav1.Condition {
	if previous.Type == v1alpha1.ConditionStale && slices.Contains(awsReasons, previous.Reason) {
		return listed
	}
	return over[previous.Type]
}

// listed is the end of the condition Stale where AWS was the reason.
var listed = condition(v1alpha1.ConditionStale, false, "InstancesListed", "AWS answers for the instances of every target again")

// over tells the end of conditions that are there only while something is wrong.
var over = map[string]metav1.Condition{
	v1alpha1.ConditionConflict: condition(v1alpha1.ConditionConflict, false,
		"ForeignEndpointSlicesGone", "every EndpointSlice of the Service is the operator's"),
	v1alpha1.ConditionDenyPending: condition(v1alpha1.ConditionDenyPending, false,
		"DenyPendingOver", "no published address is about to be taken out any more"),
	v1alpha1.ConditionStale: condition(v1alpha1.ConditionStale, false,
		"NamesAnswered", "the name servers answer for every name again"),
	v1alpha1.ConditionCredentialsUnavailable: condition(v1alpha1.ConditionCredentialsUnavailable, false,
		"CredentialsAvailable", "every credential of the checks is there"),
	v1alpha1.ConditionInstancesImpaired: condition(v1alpha1.ConditionInstancesImpaired, false,
		"InstancesImpairedOver", "no instance is impaired or about to be any more"),
	v1alpha1.ConditionPermissionsMissing: condition(v1alpha1.ConditionPermissionsMissing, false,
		"PermissionsGranted", "AWS denies no call that an option needs any more"),
}

// told are reasons of True conditions that a user should hear about.
var told = map[string]bool{
	v1alpha1.ReasonForeignEndpointSlices:  true,
	v1alpha1.ReasonClusterNetworksChanged: true,
	v1alpha1.ReasonTrafficPolicyLocal:     true,
	v1alpha1.ReasonTooManyLabels:          true,
	v1alpha1.ReasonDuplicateAddress:       true,
	v1alpha1.ReasonServedByAnother:        true,
	v1alpha1.ReasonFamilyNotServed:        true,
	v1alpha1.ReasonRecordsDropped:         true,
	v1alpha1.ReasonNameServerFailed:       true,
	v1alpha1.ReasonNameServerTimeout:      true,
	v1alpha1.ReasonTooManyNames:           true,
	v1alpha1.ReasonPassthroughDeprecated:  true,
	v1alpha1.ReasonSecretForbidden:        true,
	v1alpha1.ReasonSecretNotFound:         true,
	v1alpha1.ReasonSecretTypeMismatch:     true,
	v1alpha1.ReasonSecretKeyNotFound:      true,
	v1alpha1.ReasonInvalidSecretValue:     true,
	v1alpha1.ReasonSecretUnread:           true,

	v1alpha1.ReasonInstanceNotFound:      true,
	v1alpha1.ReasonAddressKindMissing:    true,
	v1alpha1.ReasonIdentityNotFound:      true,
	v1alpha1.ReasonIdentityNotUsable:     true,
	v1alpha1.ReasonAWSAccessDenied:       true,
	v1alpha1.ReasonAWSCredentialsInvalid: true,
	v1alpha1.ReasonAWSThrottled:          true,
	v1alpha1.ReasonAWSRegionUnknown:      true,
	v1alpha1.ReasonAWSUnavailable:        true,
	v1alpha1.ReasonTooManyInstances:      true,
	v1alpha1.ReasonSpotInterruption:      true,
	v1alpha1.ReasonStatusImpaired:        true,
	v1alpha1.ReasonScheduledEvent:        true,
	v1alpha1.ReasonPermissionsMissing:    true,
}

var actions = map[string]string{
	v1alpha1.ConditionAccepted:        "ValidateSpec",
	v1alpha1.ConditionServiceResolved: "ResolveService",
	v1alpha1.ConditionTargetsResolved: "ResolveTargets",
	v1alpha1.ConditionPublished:       "Publish",
	v1alpha1.ConditionHealthy:         "CheckHealth",
	v1alpha1.ConditionConflict:        "FindConflicts",
	v1alpha1.ConditionDenyPending:     "FollowCluster",
	v1alpha1.ConditionStale:           "ResolveNames",

	v1alpha1.ConditionCredentialsUnavailable: "ReadSecrets",
	v1alpha1.ConditionInstancesImpaired:      "WatchInstances",
	v1alpha1.ConditionPermissionsMissing:     "CallAWS",
	v1alpha1.ConditionReady:                  "Authenticate", // of an AWSIdentity
}
