// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"sync"

	kstatus "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/aws/fake"
	"externalbackend.dev/operator/test/nameserver"
	"externalbackend.dev/operator/test/targets"
)

// assessment is what tools that roll out make of an object.
type assessment struct {
	kstatus kstatus.Status
	argoCD  string
}

var (
	current     = assessment{kstatus.CurrentStatus, "Healthy"}
	inProgress  = assessment{kstatus.InProgressStatus, "Progressing"}
	failed      = assessment{kstatus.FailedStatus, "Degraded"}
	terminating = assessment{kstatus.TerminatingStatus, "Progressing"}
)

// asStored returns an object as a client without its type reads it.
func asStored(ctx context.Context, object client.Object) *unstructured.Unstructured {
	GinkgoHelper()
	kind, err := apiutil.GVKForObject(object, scheme)
	Expect(err).NotTo(HaveOccurred())
	stored := &unstructured.Unstructured{}
	stored.SetGroupVersionKind(kind)
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(object), stored)).To(Succeed())
	return stored
}

// judge returns what tools make of an object, and what they say about it.
func judge(object *unstructured.Unstructured) (made assessment, said [2]string) {
	GinkgoHelper()
	result, err := kstatus.Compute(object)
	Expect(err).NotTo(HaveOccurred())
	made.kstatus, said[0] = result.Status, result.Message
	made.argoCD, said[1] = argoHealth(object)
	Expect(said).To(HaveEach(Not(BeEmpty())))
	return made, said
}

func assess(ctx context.Context, object client.Object) assessment {
	GinkgoHelper()
	made, _ := judge(asStored(ctx, object))
	return made
}

// becomes waits until tools make that of an object.
func becomes(ctx context.Context, object client.Object, want assessment) {
	GinkgoHelper()
	Eventually(assess).WithContext(ctx).WithTimeout(3 * patience).WithArguments(object).Should(Equal(want))
}

// isAlso expects that they still do once a condition has changed.
func isAlso(ctx context.Context, object client.Object, want assessment, parts ...string) {
	GinkgoHelper()
	made, said := judge(asStored(ctx, object))
	Expect(made).To(Equal(want))
	for _, part := range parts {
		Expect(said).To(HaveEach(ContainSubstring(part)))
	}
}

// assessments records what tools make of the ExternalBackends of a namespace, with
// every change, until the spec ends.
func (s *scene) assessments(ctx context.Context) func() []assessment {
	GinkgoHelper()
	watching, err := client.NewWithWatch(cluster, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ExternalBackendList"))
	watcher, err := watching.Watch(context.WithoutCancel(ctx), list, client.InNamespace(s.namespace))
	Expect(err).NotTo(HaveOccurred())
	var mu sync.Mutex
	var made []assessment
	var running sync.WaitGroup
	running.Go(func() {
		defer GinkgoRecover()
		for event := range watcher.ResultChan() {
			if object, ok := event.Object.(*unstructured.Unstructured); ok {
				next, _ := judge(object)
				mu.Lock()
				made = append(made, next)
				mu.Unlock()
			}
		}
	})
	DeferCleanup(func() {
		watcher.Stop()
		running.Wait()
	})
	return func() []assessment {
		mu.Lock()
		defer mu.Unlock()
		return append([]assessment(nil), made...)
	}
}

// waitsNoLonger says whether `kubectl wait` has nothing to wait for.
func (s *scene) waitsNoLonger(ctx context.Context, name string) bool {
	GinkgoHelper()
	output, err := bash(ctx, "kubectl -n "+s.namespace+" wait --for=condition=Ready externalbackend/"+name+" --timeout=0")
	if err != nil {
		Expect(output).To(ContainSubstring("condition not met"), "%v", err)
	}
	return err == nil
}

var _ = Describe("Tools that roll out take an ExternalBackend", func() {
	var s *scene
	rack := entry("rack", "192.0.2.10")
	BeforeEach(func(ctx SpecContext) {
		s = newScene(ctx)
		s.host("192.0.2.10")
	})

	It("for unfinished before an operator has seen it, or its last edit", func(ctx SpecContext) {
		stopSharedOperator()
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", rack)
		isAlso(ctx, eb, inProgress)
		Expect(s.condition(ctx, "payments", v1alpha1.ConditionReady)).To(says("Unknown", v1alpha1.ReasonPending))
		Expect(s.waitsNoLonger(ctx, "payments")).To(BeFalse())

		first := ownOperator(operatorOptions{})
		becomes(ctx, eb, current)
		Expect(s.statusOf(ctx, "payments").Conditions).To(HaveEach(And(
			HaveField("Reason", Not(Equal(v1alpha1.ReasonPending))),
			HaveField("LastTransitionTime.Time", BeTemporally(">=", eb.CreationTimestamp.Time)))))
		first.stop()
		Expect(s.waitsNoLonger(ctx, "payments")).To(BeTrue())
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].Zone = "eu-west-1a" })
		isAlso(ctx, eb, inProgress)
		Expect(s.waitsNoLonger(ctx, "payments")).To(BeFalse())
		ownOperator(operatorOptions{})
		becomes(ctx, eb, current)
		Expect(s.waitsNoLonger(ctx, "payments")).To(BeTrue())
	})

	It("for unfinished until it is ready, and never for failed", func(ctx SpecContext) {
		sharedOperator()
		made := s.assessments(ctx)
		eb := s.backend(ctx, "payments", rack)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceNotFound))
		isAlso(ctx, eb, inProgress)
		s.service(ctx, "payments")
		becomes(ctx, eb, current)
		Eventually(made).Should(ContainElement(current))
		all := made()
		Expect(all[0]).To(Equal(inProgress))
		Expect(all).NotTo(ContainElement(failed))
	})

	It("for unfinished while a name was never answered for", func(ctx SpecContext) {
		sharedOperator()
		s.service(ctx, "payments")
		for _, kind := range []string{"A", "AAAA"} {
			s.answer("db", kind, nameserver.Silence())
		}
		eb := s.backend(ctx, "payments", fqdn("db", s.hostname("db")))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, says("Unknown", v1alpha1.ReasonNamesPending))
		isAlso(ctx, eb, inProgress)
		s.fail("db")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, no(v1alpha1.ReasonNameServerFailed))
		isAlso(ctx, eb, inProgress)
	})

	It("for failed while only an edit can help", func(ctx SpecContext) {
		sharedOperator()
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", entry("rack", "192.0.2.10", "10.0.0.1"))
		becomes(ctx, eb, failed)
		isAlso(ctx, eb, failed, "10.0.0.1")
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets = nil; rack(eb) })
		becomes(ctx, eb, current)
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Ports = []v1alpha1.BackendPort{{Name: "https", Port: 8443}}
		})
		becomes(ctx, eb, failed)
		isAlso(ctx, eb, failed, "https")
	})

	It("for done though its targets are down", func(ctx SpecContext) {
		sharedOperator()
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", rack)
		becomes(ctx, eb, current)
		s.host("192.0.2.10").Set(targets.Refuse)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonNoneHealthy))
		isAlso(ctx, eb, current)
		_, said := judge(asStored(ctx, eb))
		Expect(said[1]).To(Equal(s.condition(ctx, "payments", v1alpha1.ConditionHealthy).Message))
	})

	It("for done though its addresses are those of an old answer", func(ctx SpecContext) {
		sharedOperator()
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", fqdn("db", s.address("db", "192.0.2.10")))
		becomes(ctx, eb, current)
		s.fail("db")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed))
		isAlso(ctx, eb, current)
		_, said := judge(asStored(ctx, eb))
		Expect(said[1]).To(Equal(s.condition(ctx, "payments", v1alpha1.ConditionStale).Message))
	})

	It("for going while something holds it", func(ctx SpecContext) {
		sharedOperator()
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", rack, func(eb *v1alpha1.ExternalBackend) { eb.Finalizers = []string{"example.com/held"} })
		DeferCleanup(func(ctx SpecContext) {
			edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Finalizers = nil })
		})
		becomes(ctx, eb, current)
		Expect(admin.Delete(ctx, eb.DeepCopy())).To(Succeed())
		isAlso(ctx, eb, terminating)
	})
})

var _ = Describe("Tools that roll out take an AWSIdentity", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) { s = newScene(ctx) })

	It("for unfinished before an operator has seen it, or its last edit", func(ctx SpecContext) {
		stopSharedOperator()
		f := s.fleet(ctx)
		isAlso(ctx, f.identity, inProgress)
		first := ownOperator(operatorOptions{})
		becomes(ctx, f.identity, current)
		Expect(statusOfIdentity(ctx, f.identity.Name).Conditions).To(HaveEach(
			HaveField("LastTransitionTime.Time", BeTemporally(">=", f.identity.CreationTimestamp.Time))))
		first.stop()
		edit(ctx, f.identity, func(identity *v1alpha1.AWSIdentity) {
			identity.Spec.Role.SessionTags = v1alpha1.SessionTags{"team": "payments"}
		})
		isAlso(ctx, f.identity, inProgress)
		ownOperator(operatorOptions{})
		becomes(ctx, f.identity, current)
	})

	It("for unfinished while AWS denies what may be granted any time", func(ctx SpecContext) {
		sharedOperator()
		f := s.fleet(ctx)
		f.ready(ctx)
		f.account.Role(fake.Role{Name: "externalbackend", ExternalID: "of somebody else"})
		edit(ctx, f.identity, func(identity *v1alpha1.AWSIdentity) {
			identity.Spec.Role.SessionTags = v1alpha1.SessionTags{"team": "payments"} // which needs another session
		})
		f.says(ctx, v1alpha1.ConditionReady, no(v1alpha1.ReasonAWSCredentialsInvalid))
		isAlso(ctx, f.identity, inProgress)
		f.account.Role(fake.Role{Name: "externalbackend", ExternalID: statusOfIdentity(ctx, f.identity.Name).ExternalID})
		becomes(ctx, f.identity, current)
	})

	It("for failed while only an edit can help, and for going while something holds it", func(ctx SpecContext) {
		sharedOperator()
		f := s.fleet(ctx, func(identity *v1alpha1.AWSIdentity) {
			identity.Finalizers = []string{"example.com/held"}
			identity.Spec.Regions = []v1alpha1.Region{"cn-north-1"}
		})
		DeferCleanup(func(ctx SpecContext) {
			edit(ctx, f.identity, func(identity *v1alpha1.AWSIdentity) { identity.Finalizers = nil })
		})
		becomes(ctx, f.identity, failed)
		isAlso(ctx, f.identity, failed, "spec.role.arn")
		edit(ctx, f.identity, func(identity *v1alpha1.AWSIdentity) { identity.Spec.Regions = []v1alpha1.Region{region} })
		becomes(ctx, f.identity, current)
		Expect(admin.Delete(ctx, f.identity.DeepCopy())).To(Succeed())
		isAlso(ctx, f.identity, terminating)
	})
})
