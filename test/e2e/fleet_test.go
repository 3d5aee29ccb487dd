// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/lab"
	"externalbackend.dev/operator/test/rack"
)

// samples is the folder beside the one that installs the operator.
func samples() string { return filepath.Join(filepath.Dir(*kustomization), "samples") }

// applySample applies a sample as a user does, in the case's namespace, and reads
// what it ends with into the object.
func (s *scene) applySample(ctx context.Context, name string, object client.Object) {
	GinkgoHelper()
	file := filepath.Join(samples(), name)
	text, err := os.ReadFile(file)
	Expect(err).NotTo(HaveOccurred())
	documents := strings.Split(string(text), "\n---\n")
	Expect(yaml.UnmarshalStrict([]byte(documents[len(documents)-1]), object)).To(Succeed())
	_, err = installed.Cluster.Kubectl(ctx, nil, "apply", "-n", s.namespace, "-f", file)
	Expect(err).NotTo(HaveOccurred())
}

// tagsThatMatch returns the tags that an instance must have for these filters.
func tagsThatMatch(filters []v1alpha1.InstanceFilter) map[string]string {
	GinkgoHelper()
	tags := map[string]string{}
	for _, f := range filters {
		key, isTag := strings.CutPrefix(f.Name, "tag:")
		Expect(isTag).To(BeTrue(), "the instances of the lab have nothing but tags to go by, and a filter is by %s", f.Name)
		tags[key] = string(f.Values[0])
	}
	return tags
}

// fleet is a fleet in moto for one case.
type fleet struct {
	*lab.Fleet
	tags map[string]string // of its instances
}

func newFleet(ctx context.Context, tags map[string]string) *fleet {
	GinkgoHelper()
	f, err := installed.AWS.NewFleet(ctx)
	Expect(err).NotTo(HaveOccurred())
	return &fleet{f, tags}
}

// run starts an instance at the host's address and returns its id.
func (f *fleet) run(ctx context.Context, h *rack.Host) string {
	GinkgoHelper()
	id, err := f.Run(ctx, h, f.tags)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx SpecContext) { Expect(f.Moto.Terminate(ctx, id)).To(Succeed()) }, NodeTimeout(waitBound))
	return id
}

// retag gives an instance another value of all its tags, so that it matches no more.
func (f *fleet) retag(ctx context.Context, id string) {
	GinkgoHelper()
	other := map[string]string{}
	for key := range f.tags {
		other[key] = "retired"
	}
	Expect(f.Moto.Tag(ctx, id, other)).To(Succeed())
}

var _ = Describe("EC2 instances", Ordered, ContinueOnFailure, func() {
	BeforeAll(func(ctx SpecContext) {
		Expect(installed.AWS.StartMoto(ctx)).To(Succeed())
		DeferCleanup(installed.AWS.StopMoto)
	}, NodeTimeout(startBound))

	It("of the sample are served: what stops, is tagged otherwise or terminated leaves, what starts, is tagged again or new comes, and no request fails", func(ctx SpecContext) {
		s := newScene(ctx)
		var identity v1alpha1.AWSIdentity
		s.applySample(ctx, "v1alpha1_awsidentity.yaml", &identity)
		deleteAfterwards(&identity)
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}
		edit(ctx, namespace, func(n *corev1.Namespace) { maps.Copy(n.Labels, identity.Spec.AllowedNamespaces.MatchLabels) })
		var backend v1alpha1.ExternalBackend
		s.applySample(ctx, "v1alpha1_externalbackend_ec2.yaml", &backend)
		backend.Namespace = s.namespace
		fleet := newFleet(ctx, tagsThatMatch(backend.Spec.Targets[0].EC2.Selector.Filters))
		a, b, c, d := installed.Hosts[0], installed.Hosts[1], installed.Hosts[2], installed.Hosts[3]
		idA, idB, idC := fleet.run(ctx, a), fleet.run(ctx, b), fleet.run(ctx, c)
		s.eventuallyEndpoints(ctx, backend.Name, map[string]string{
			a.IP4.String(): endpoint(idA, healthy), b.IP4.String(): endpoint(idB, healthy), c.IP4.String(): endpoint(idC, healthy),
		})
		var service corev1.Service
		Expect(api.Get(ctx, client.ObjectKeyFromObject(&backend), &service)).To(Succeed())
		port := service.Spec.Ports[0]
		s.eventuallyRouted(ctx, backend.Name, port.Name, a.IP4, b.IP4, c.IP4)
		f := startFlow(clusterIPs(&service, uint16(port.Port))[0])
		f.expectNoFailure(ctx, time.Time{})

		By("stopping one, tagging one otherwise, and running a new one")
		Expect(fleet.Moto.Stop(ctx, idA)).To(Succeed())
		fleet.retag(ctx, idB)
		idD := fleet.run(ctx, d)
		s.eventuallyEndpoints(ctx, backend.Name, map[string]string{
			a.IP4.String(): endpoint(idA, draining), b.IP4.String(): endpoint(idB, draining),
			c.IP4.String(): endpoint(idC, healthy), d.IP4.String(): endpoint(idD, healthy),
		})
		s.eventuallyRouted(ctx, backend.Name, port.Name, c.IP4, d.IP4)
		left := time.Now()
		harm(a, (*rack.Host).Kill) // as a host that has come to its stop
		Expect(f.expectNoFailure(ctx, time.Time{})).To(ContainElement(HaveField("Host", a.Name)))
		Expect(f.startedSince(left)).To(HaveEach(HaveField("Host", BeElementOf(c.Name, d.Name))))

		By("starting the one again, tagging the other as before, and terminating a third")
		Expect(a.Start(ctx, installed.LogDir())).To(Succeed())
		Expect(fleet.Moto.Start(ctx, idA)).To(Succeed())
		Expect(fleet.Moto.Tag(ctx, idB, fleet.tags)).To(Succeed())
		Expect(fleet.Moto.Terminate(ctx, idC)).To(Succeed())
		s.eventuallyEndpoints(ctx, backend.Name, map[string]string{
			a.IP4.String(): endpoint(idA, healthy), b.IP4.String(): endpoint(idB, healthy), d.IP4.String(): endpoint(idD, healthy),
		})
		s.eventuallyRouted(ctx, backend.Name, port.Name, a.IP4, b.IP4, d.IP4)
		harm(c, (*rack.Host).Kill)
		f.expectNoFailure(ctx, time.Time{})
	})

	It("that die before AWS says so fail requests until their checks have failed, and none afterwards", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		fleet := newFleet(ctx, map[string]string{caseTag: s.namespace})
		dies, lives := installed.Hosts[0], installed.Hosts[1]
		idDies, idLives := fleet.run(ctx, dies), fleet.run(ctx, lives)
		s.backend(ctx, "web", nil, s.instances(lab.MotoRegion, s.identity(ctx, lab.MotoRegion)))
		s.eventuallyEndpoints(ctx, "web", map[string]string{
			dies.IP4.String(): endpoint(idDies, healthy), lives.IP4.String(): endpoint(idLives, healthy),
		})
		s.eventuallyRouted(ctx, "web", "http", dies.IP4, lives.IP4)
		f := startFlow(clusterIPs(service, 80)[0])
		f.expectNoFailure(ctx, time.Time{})

		harm(dies, (*rack.Host).Unplug)
		Expect(fleet.Moto.Stop(ctx, idDies)).To(Succeed())
		leaving, cancel := context.WithTimeoutCause(ctx, leaveBound, errors.New("the host has not left within its bound"))
		defer cancel()
		s.eventuallyRouted(leaving, "web", "http", lives.IP4)
		left := time.Now()
		f.expectNoFailure(ctx, left)
		s.eventuallyEndpoints(ctx, "web", map[string]string{
			dies.IP4.String(): endpoint(idDies, drainingFailing), lives.IP4.String(): endpoint(idLives, healthy),
		})
		f.expectNoFailure(ctx, left)
	})
})
