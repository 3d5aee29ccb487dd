// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/test/aggregation"
	"externalbackend.dev/operator/test/targets"
)

// as returns a client of somebody of a group.
func as(group string) client.Client {
	GinkgoHelper()
	config := rest.CopyConfig(cluster)
	config.Impersonate = rest.ImpersonationConfig{UserName: "somebody", Groups: []string{group, "system:authenticated"}}
	c, err := client.New(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	return c
}

// spellings are all ways to write an address that the API server might take. In
// none of them lies anything else that is denied.
func spellings(address string) []string {
	addr := netip.MustParseAddr(address)
	if addr.Is6() {
		b := addr.As16()
		dotted := fmt.Sprintf("%x:%x:%x:%x:%x:%x:%d.%d.%d.%d", uint16(b[0])<<8|uint16(b[1]), uint16(b[2])<<8|uint16(b[3]), uint16(b[4])<<8|uint16(b[5]),
			uint16(b[6])<<8|uint16(b[7]), uint16(b[8])<<8|uint16(b[9]), uint16(b[10])<<8|uint16(b[11]), b[12], b[13], b[14], b[15])
		return []string{address, strings.ToUpper(address), addr.StringExpanded(), dotted, "[" + address + "]", address + "%eth0", address + "/128", " " + address}
	}
	b := addr.As4()
	hex := hexOf(address)
	inverted := hexOf(netip.AddrFrom4([4]byte{^b[0], ^b[1], ^b[2], ^b[3]}).String())
	return []string{
		address, "::ffff:" + address, "::ffff:" + hex, "0:0:0:0:0:ffff:" + hex, "::" + hex, "::ffff:0:" + hex,
		"64:ff9b::" + hex, "64:ff9b::" + address, "64:ff9b:1::" + hex, "2002:" + hex + "::1",
		"2001:0:" + hex + "::fefd:fcfb", "2001:0:102:304::" + inverted, "2001:db8:1::5efe:" + hex, "2001:db8:3::200:5efe:" + hex,
		fmt.Sprintf("0%o.%d.%d.%d", b[0], b[1], b[2], b[3]), fmt.Sprintf("0x%x.%d.%d.%d", b[0], b[1], b[2], b[3]),
		fmt.Sprint(uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])),
		fmt.Sprintf("%d.%d.%d", b[0], b[1], uint16(b[2])<<8|uint16(b[3])), address + ".", "[" + address + "]", address + "%eth0", address + "/32", address + ":8080", " " + address,
	}
}

// list has somebody list an address of a Service in every spelling, each in an
// ExternalBackend of its own. It returns their names, once each that the API server
// has taken is accepted, or is not, as expected.
func (s *scene) list(ctx context.Context, somebody client.Client, service, address string, accepted types.GomegaMatcher) (stored []string) {
	GinkgoHelper()
	for _, spelled := range spellings(address) {
		eb := &v1alpha1.ExternalBackend{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, GenerateName: "reach-"}}
		of(service)(eb)
		entry("rack", spelled)(eb)
		tcp(eb)
		if err := somebody.Create(ctx, eb); err != nil {
			Expect(err).To(MatchError(ContainSubstring("must be an IPv4 or IPv6 address")), "%s written as %s", address, spelled)
			continue
		}
		stored = append(stored, eb.Name)
	}
	for _, name := range stored {
		s.expectCondition(ctx, name, v1alpha1.ConditionAccepted, accepted)
	}
	return stored
}

// ofTheCluster are addresses that the operator finds out, or is told, to be no
// targets, and some that never are.
func (s *scene) ofTheCluster(ctx context.Context, service string) []string {
	GinkgoHelper()
	var svc corev1.Service
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: service}, &svc)).To(Succeed())
	var apiServer discoveryv1.EndpointSlice
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: "default", Name: "kubernetes"}, &apiServer)).To(Succeed())
	return slices.Concat(svc.Spec.ClusterIPs, apiServer.Endpoints[0].Addresses, []string{
		"198.51.100.7", "203.0.113.7", "2001:db8:7::7", "10.0.9.9", "169.254.169.254", "127.0.0.1", "fd00:ec2::254", "::1",
	})
}

// expectOutOfReach has somebody list addresses of others and of the cluster, and
// expects nothing of it but the reason.
func (s *scene) expectOutOfReach(ctx context.Context, o *operator, somebody client.Client, service string, others []string) {
	GinkgoHelper()
	was, published := s.slices(ctx), s.endpointsOf(ctx, service)
	var neighbours []*targets.Host // whom nobody else checks
	for _, address := range others {
		neighbours = append(neighbours, s.host(address))
	}
	for reason, addresses := range map[string][]string{
		v1alpha1.ReasonPolicyDenied: others, v1alpha1.ReasonAddressDenied: s.ofTheCluster(ctx, service),
	} {
		for _, address := range addresses {
			stored := s.list(ctx, somebody, service, address, no(reason))
			Expect(len(stored)).To(BeNumerically(">", 1), "%s can be written in several ways", address)
			for _, name := range stored {
				Expect(o.asked.of(s.namespace, name)).To(HaveEach(""), "%s is checked, see %s", address, name)
			}
		}
	}
	for _, host := range neighbours {
		Expect(host.Attempts()).To(BeZero(), "a connection to a neighbour's host")
	}
	Expect(s.slices(ctx)).To(HaveLen(len(was)))
	Expect(s.endpointsOf(ctx, service)).To(Equal(published))
}

var _ = Describe("Two tenants, each with a policy, as the documentation has it", Ordered, func() {
	tenants := map[string]*scene{}
	services := map[string]string{"payments": "ledger", "search": "index"}
	var o *operator
	BeforeAll(func(ctx SpecContext) {
		Expect(aggregation.Aggregate(ctx, admin)).To(Succeed())
		for _, object := range readWalkThrough().administrators {
			if object.GetKind() == "Namespace" {
				// There is nothing that removes a namespace for good, so that each
				// run has to be the first.
				tenants[object.GetName()] = &scene{namespace: object.GetName(), hosts: map[string]*targets.Host{}}
			}
			Expect(admin.Create(ctx, object)).To(Succeed(), "%s %s", object.GetKind(), object.GetName())
			if object.GetKind() != "Namespace" {
				DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, object)).To(Succeed()) })
			}
		}
		Expect(tenants).To(HaveLen(2))
		node(ctx, "of-the-cluster", "198.51.100.0/26", "203.0.113.7", "2001:db8:7::7")
		DeferCleanup(func(ctx SpecContext) {
			for _, s := range tenants {
				Expect(admin.DeleteAllOf(ctx, &v1alpha1.ExternalBackend{}, client.InNamespace(s.namespace))).To(Succeed())
				Expect(admin.DeleteAllOf(ctx, &discoveryv1.EndpointSlice{}, client.InNamespace(s.namespace))).To(Succeed())
				for address := range s.hosts {
					network.Remove(address)
				}
			}
		})
	})
	BeforeEach(func() {
		o = ownOperator(operatorOptions{requirePolicy: true, deny: []guard.Network{{Prefix: netip.MustParsePrefix("10.0.0.0/16"), Why: "denied to all by --deny-cidrs"}}})
	})

	It("are set up with flags that the operator is given", func(ctx SpecContext) {
		Expect(flagsIn(ctx, readWalkThrough().installation[0])).To(ContainElements("--leader-elect", "--policy-mode=require", HavePrefix("--deny-cidrs=")))
	})

	It("each serve their own machines, and see that they do", func(ctx SpecContext) {
		tenants["payments"].host("192.0.2.3")
		tenants["search"].host("192.0.2.19")
		for _, object := range readWalkThrough().teams {
			team := as(teamOf(object.GetNamespace()))
			Eventually(team.Create).WithContext(ctx).WithArguments(object).Should(Succeed(), "as the roles are in force: %s %s", object.GetKind(), object.GetName())
		}
		for name, address := range map[string]string{"payments": "192.0.2.3", "search": "192.0.2.19"} {
			tenants[name].expect(ctx, services[name], endpoints{address: in})
			tenants[name].expectCondition(ctx, services[name], v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
			shown(ctx, name)
			Expect(as(teamOf(name)).List(ctx, &discoveryv1.EndpointSliceList{}, client.InNamespace(name))).To(Succeed())
		}
		tenants["search"].expectCondition(ctx, "curious", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied, "tenant-search"))
		Expect(o.asked.of("search", "curious")).To(HaveEach(""))
	})

	It("each reach neither the other's machines nor anything of the cluster, however they write it", func(ctx SpecContext) {
		for name, others := range map[string][]string{
			"payments": {"192.0.2.20", "2001:db8:2::19"},
			"search":   {"192.0.2.5", "2001:db8:1::3"},
		} {
			tenants[name].expect(ctx, services[name], endpoints{map[string]string{"payments": "192.0.2.3", "search": "192.0.2.19"}[name]: in})
			tenants[name].expectOutOfReach(ctx, o, as(teamOf(name)), services[name], others)
		}
	})

	It("and a third, who may reach everything else, reaches them no better", func(ctx SpecContext) {
		s := newScene(ctx)
		s.policy(ctx, "all", allowing("0.0.0.0/0", "::/0"), denying(v1alpha1.PolicyDeny{
			CIDRs: []v1alpha1.CIDR{"192.0.2.0/27", "2001:db8:1::/112", "2001:db8:2::/112"},
		}))
		s.host("192.0.2.33")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.33"))
		s.expect(ctx, "payments", endpoints{"192.0.2.33": in})
		s.expectOutOfReach(ctx, o, admin, "payments", []string{"192.0.2.5", "192.0.2.20", "2001:db8:1::3", "2001:db8:2::19"})
		By("not for the way in which it is written, in which the rest of the world may be")
		s.service(ctx, "world")
		for _, address := range []string{"192.0.2.65", "2001:db8:4::1"} {
			for _, name := range s.list(ctx, admin, "world", address, yes(v1alpha1.ReasonAccepted)) {
				Eventually(o.asked.of).WithArguments(s.namespace, name).Should(ContainElement(Not(BeEmpty())))
			}
		}
	})

	It("each are kept to their ports and ways of checking", func(ctx SpecContext) {
		s := tenants["payments"]
		for name, use := range map[string]func(*v1alpha1.ExternalBackend){
			"port":     func(eb *v1alpha1.ExternalBackend) { eb.Spec.Ports = []v1alpha1.BackendPort{{Name: "http", Port: 22}} },
			"check":    check(v1alpha1.Check{Name: "ssh", TCP: &v1alpha1.TCPCheck{}, Port: new(intstr.FromInt32(22))}),
			"blind":    none,
			"host":     check(v1alpha1.Check{Name: "http", HTTP: &v1alpha1.HTTPCheck{Hostname: "admin.internal"}}),
			"insecure": check(v1alpha1.Check{Name: "https", HTTP: &v1alpha1.HTTPCheck{}, TLS: &v1alpha1.CheckTLS{InsecureSkipVerify: true}}),
		} {
			s.backend(ctx, name, of(services["payments"]), entry("rack", "192.0.2.4"), use)
			s.expectCondition(ctx, name, v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied, "tenant-payments"))
			Expect(o.asked.of(s.namespace, name)).To(HaveEach(""))
		}
	})

	DescribeTable("each may write", func(ctx SpecContext, group, namespace, apiGroup, resource string, allowed bool) {
		Expect(mayCreate(ctx, group, namespace, apiGroup, resource)).To(Equal(allowed))
	},
		Entry("their own ExternalBackends", "payments-team", "payments", v1alpha1.GroupVersion.Group, "externalbackends", true),
		Entry("their own Services", "payments-team", "payments", "", "services", true),
		Entry("no EndpointSlices", "payments-team", "payments", "discovery.k8s.io", "endpointslices", false),
		Entry("none of the other's", "payments-team", "search", v1alpha1.GroupVersion.Group, "externalbackends", false),
		Entry("no policies", "payments-team", "", v1alpha1.GroupVersion.Group, "externalbackendpolicies", false),
		Entry("none without having been granted it", "another-team", "payments", v1alpha1.GroupVersion.Group, "externalbackends", false),
	)
})

func mayCreate(ctx context.Context, group, namespace, apiGroup, resource string) bool {
	GinkgoHelper()
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: "somebody", Groups: []string{group},
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "create", Group: apiGroup, Resource: resource},
	}}
	Expect(admin.Create(ctx, review)).To(Succeed())
	return review.Status.Allowed
}
