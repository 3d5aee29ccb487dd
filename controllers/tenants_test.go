// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

// walkThrough returns the objects that docs/multi-tenancy.md shows.
func walkThrough() []*unstructured.Unstructured { return documented("multi-tenancy.md") }

// documented returns the objects that a page of the documentation shows.
func documented(page string) (objects []*unstructured.Unstructured) {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join("..", "docs", page))
	Expect(err).NotTo(HaveOccurred())
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for document := range strings.SplitSeq(block[1], "---\n") {
			object := &unstructured.Unstructured{}
			Expect(yaml.Unmarshal([]byte(document), object)).To(Succeed())
			objects = append(objects, object)
		}
	}
	return objects
}

// as returns a client of somebody of a group.
func as(group string) client.Client {
	GinkgoHelper()
	config := rest.CopyConfig(cluster)
	config.Impersonate = rest.ImpersonationConfig{UserName: "somebody", Groups: []string{group, "system:authenticated"}}
	c, err := client.New(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	return c
}

// spellings are all ways to write an address that the API server might take.
func spellings(address string) []string {
	addr := netip.MustParseAddr(address)
	if addr.Is6() {
		return []string{address, strings.ToUpper(address), addr.StringExpanded()}
	}
	b := addr.As4()
	hex := hexOf(address)
	inverted := hexOf(netip.AddrFrom4([4]byte{^b[0], ^b[1], ^b[2], ^b[3]}).String())
	return []string{
		address, "::ffff:" + address, "::ffff:" + hex, "0:0:0:0:0:ffff:" + hex, "::" + hex, "::ffff:0:" + hex,
		"64:ff9b::" + hex, "64:ff9b::" + address, "64:ff9b:1::" + hex, "2002:" + hex + "::1",
		"2001:0:" + hex + "::1", "2001:0:102:304::" + inverted, "2001:db8:1::5efe:" + hex, "2001:db8:1::200:5efe:" + hex,
		fmt.Sprintf("0%o.%d.%d.%d", b[0], b[1], b[2], b[3]), fmt.Sprintf("0x%x.%d.%d.%d", b[0], b[1], b[2], b[3]),
		fmt.Sprint(uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])),
		fmt.Sprintf("%d.%d.%d", b[0], b[1], uint16(b[2])<<8|uint16(b[3])), address + ".", "[" + address + "]", address + "%eth0", address + "/32", address + ":8080", " " + address,
	}
}

var _ = Describe("Two tenants, each with a policy, as the documentation has it", Ordered, func() {
	tenants := map[string]*scene{}
	var o *operator
	var svc map[string]*corev1.Service
	BeforeAll(func(ctx SpecContext) {
		for _, object := range walkThrough() {
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
		node(ctx, "of-the-cluster", "198.51.100.0/26", "203.0.113.7")
		svc = map[string]*corev1.Service{}
		for name, s := range tenants {
			svc[name] = s.service(ctx, "backend")
		}
		DeferCleanup(func(ctx SpecContext) {
			for _, s := range tenants {
				Expect(admin.DeleteAllOf(ctx, &v1alpha1.ExternalBackend{}, client.InNamespace(s.namespace))).To(Succeed())
				Expect(admin.DeleteAllOf(ctx, &discoveryv1.EndpointSlice{}, client.InNamespace(s.namespace))).To(Succeed())
			}
		})
	})
	BeforeEach(func() { o = ownOperator(operatorOptions{requirePolicy: true}) })

	It("each serve their own machines", func(ctx SpecContext) {
		for name, address := range map[string]string{"payments": "192.0.2.3", "search": "192.0.2.19"} {
			s := tenants[name]
			s.host(address)
			s.backend(ctx, "own", of("backend"), entry("rack", address))
			s.expect(ctx, "backend", endpoints{address: in})
			s.expectCondition(ctx, "own", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		}
	})

	It("each reach neither the other's machines nor anything of the cluster, however they write it", func(ctx SpecContext) {
		var apiServer discoveryv1.EndpointSlice
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: "default", Name: "kubernetes"}, &apiServer)).To(Succeed())
		for name, others := range map[string][]string{
			"payments": {"192.0.2.19", "2001:db8:2::19"},
			"search":   {"192.0.2.3", "2001:db8:1::3"},
		} {
			s, team := tenants[name], as(name+"-team")
			s.host(others[0])
			before := s.slices(ctx)
			forbidden := append(others, "198.51.100.7", "203.0.113.7", svc[name].Spec.ClusterIP, apiServer.Endpoints[0].Addresses[0],
				"169.254.169.254", "127.0.0.1", "fd00:ec2::254", "::1")
			stored := 0
			for i, address := range forbidden {
				for j, spelled := range spellings(address) {
					eb := &v1alpha1.ExternalBackend{}
					eb.Namespace, eb.Name = s.namespace, fmt.Sprintf("reach-%d-%d", i, j)
					of("backend")(eb)
					entry("rack", spelled)(eb)
					eb.Spec.HealthCheck.Checks = []v1alpha1.Check{{Name: "tcp", TCP: &v1alpha1.TCPCheck{}}}
					if err := team.Create(ctx, eb); err != nil {
						Expect(err).To(MatchError(ContainSubstring("must be an IPv4 or IPv6 address")), "%s written as %s", address, spelled)
						continue
					}
					stored++
					s.expectCondition(ctx, eb.Name, v1alpha1.ConditionAccepted, Or(
						no(v1alpha1.ReasonAddressDenied), no(v1alpha1.ReasonPolicyDenied)))
					Expect(o.asked.of(s.namespace, eb.Name)).To(HaveEach(""), "%s is checked as %s", address, spelled)
				}
			}
			Expect(stored).To(BeNumerically(">", 2*len(forbidden)), "some spellings are addresses")
			Expect(s.slices(ctx)).To(HaveLen(len(before)))
			for published := range s.endpointsOf(ctx, "backend") {
				Expect(published).To(BeElementOf("192.0.2.3", "192.0.2.19"))
				Expect(others).NotTo(ContainElement(published))
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
			s.backend(ctx, name, of("backend"), entry("rack", "192.0.2.4"), use)
			s.expectCondition(ctx, name, v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied, "tenant-payments"))
			Expect(o.asked.of(s.namespace, name)).To(HaveEach(""))
		}
	})

	DescribeTable("each may write", func(ctx SpecContext, group, namespace, resource string, allowed bool) {
		Expect(mayCreate(ctx, group, namespace, resource)).To(Equal(allowed))
	},
		Entry("their own ExternalBackends", "payments-team", "payments", "externalbackends", true),
		Entry("none of the other's", "payments-team", "search", "externalbackends", false),
		Entry("no policies", "payments-team", "", "externalbackendpolicies", false),
		Entry("none without having been granted it", "another-team", "payments", "externalbackends", false),
	)
})

func mayCreate(ctx context.Context, group, namespace, resource string) bool {
	GinkgoHelper()
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: "somebody", Groups: []string{group},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: "create", Group: v1alpha1.GroupVersion.Group, Resource: resource,
		},
	}}
	Expect(admin.Create(ctx, review)).To(Succeed())
	return review.Status.Allowed
}
