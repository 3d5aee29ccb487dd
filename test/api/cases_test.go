// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// cause is one reason why the API server refuses an object, as a user reads it.
type cause struct{ Field, Message string }

func (c cause) String() string { return fmt.Sprintf("%s: %s", c.Field, c.Message) }

// rejection is a change that must be refused, for exactly these reasons. The
// message of each is a part of what the API server says.
type rejection struct {
	edits  []edit
	causes []cause
}

func rejected(field, message string, edits ...edit) rejection {
	return rejection{edits, []cause{{field, message}}}
}

// and adds a reason: one mistake may break two rules.
func (r rejection) and(field, message string) rejection {
	r.causes = append(r.causes, cause{field, message})
	return r
}

// unchecked is what the API server adds when it did not get to the rules.
const unchecked = "some validation rules were not checked because the object was invalid"

// causesOf returns why the API server refused an object.
func causesOf(err error) []cause {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return []cause{{"", err.Error()}}
	}
	answer := status.Status()
	if answer.Reason != metav1.StatusReasonInvalid || answer.Details == nil {
		return []cause{{"", answer.Message}}
	}
	var causes []cause
	for _, c := range answer.Details.Causes {
		if !strings.Contains(c.Message, unchecked) {
			causes = append(causes, cause{c.Field, c.Message})
		}
	}
	return causes
}

// sameCauses says that two lists name the same causes in any order, the wanted
// ones with a part of the message.
func sameCauses(wanted []cause) OmegaMatcher {
	matchers := make([]any, len(wanted))
	for i, w := range wanted {
		matchers[i] = And(
			HaveField("Field", w.Field),
			HaveField("Message", ContainSubstring(w.Message)),
		)
	}
	return ConsistOf(matchers...)
}

var _ = Describe("An object is rejected:", func() {
	for _, k := range kinds {
		for _, r := range k.rejected {
			It(fmt.Sprint("an ", k.name, " with ", r.edits), func(ctx SpecContext) {
				_, err := store(ctx, k.edited(r.edits...))
				Expect(err).To(HaveOccurred())
				Expect(causesOf(err)).To(sameCauses(r.causes))
			})
		}
	}
})

var _ = Describe("An object is accepted:", func() {
	for _, k := range kinds {
		for _, edits := range k.accepted {
			It(fmt.Sprint("an ", k.name, " with ", edits), func(ctx SpecContext) {
				object := k.edited(edits...)
				stored, err := store(ctx, object)
				Expect(err).NotTo(HaveOccurred())
				expectKept(object.Object, stored.Object)
				k.actionable(ctx, stored)
			})
		}
	}

	It("one with a generated name", func(ctx SpecContext) {
		object := edited(remove("metadata.name"), set("metadata.generateName", "payments-"))
		stored, err := store(ctx, object)
		Expect(err).NotTo(HaveOccurred())
		Expect(stored.GetName()).To(HavePrefix("payments-"))
	})
})

// rejects returns why the API server refuses an object, without keeping it.
func (k *kind) rejects(ctx context.Context, r rejection) []cause {
	GinkgoHelper()
	object := k.edited(r.edits...)
	stored, err := store(ctx, object)
	if stored != nil || err == nil {
		Fail(fmt.Sprintf("%s with %v is accepted", k.name, r.edits))
	}
	Expect(client.IgnoreNotFound(api.Delete(ctx, object))).To(Succeed())
	return causesOf(err)
}
