// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/apiserver"
)

// kubectl returns what kubectl prints.
func kubectl(ctx context.Context, arguments ...string) string {
	GinkgoHelper()
	arguments = append([]string{"--kubeconfig", kubeconfig, "--cache-dir", filepath.Join(filepath.Dir(kubeconfig), "cache")}, arguments...)
	command := exec.CommandContext(ctx, apiserver.Binary("kubectl"), arguments...)
	command.Env = append(os.Environ(), "HOME="+filepath.Dir(kubeconfig)) // no preferences of whoever runs this
	var errors bytes.Buffer
	command.Stderr = &errors
	output, err := command.Output()
	Expect(err).NotTo(HaveOccurred(), "kubectl %s: %s", strings.Join(arguments, " "), &errors)
	return string(output)
}

// table splits what kubectl get prints into rows of cells, which are three
// or more blanks apart.
func table(output string) (rows [][]string) {
	for line := range strings.Lines(output) {
		var cells []string
		for cell := range strings.SplitSeq(strings.TrimSpace(line), "   ") {
			if cell = strings.TrimSpace(cell); cell != "" {
				cells = append(cells, cell)
			}
		}
		rows = append(rows, cells)
	}
	return rows
}

const notReady = `[{type: Healthy, status: "False", reason: NoneHealthy, message: none, lastTransitionTime: "2026-01-01T00:00:00Z"},
	{type: Ready, status: "False", reason: ServiceNotFound, message: "create the Service shop", lastTransitionTime: "2026-01-01T00:00:00Z"}]`

var _ = Describe("kubectl get", func() {
	age := MatchRegexp(`^\d+s$`)

	for _, name := range []string{"eb", "externalbackends", "externalbackend", "externalbackend.externalbackend.dev"} {
		It("knows the resource as "+name, func(ctx SpecContext) {
			mustStore(ctx)
			Expect(kubectl(ctx, "get", name, "-o", "name")).To(Equal("externalbackend.externalbackend.dev/payments\n"))
		})
	}

	It("knows the category externalbackend-dev", func(ctx SpecContext) {
		resources := kubectl(ctx, "api-resources", "--categories=externalbackend-dev", "-o", "name")
		Expect(strings.Fields(resources)).To(ConsistOf(
			"externalbackends.externalbackend.dev", "externalbackendpolicies.externalbackend.dev", "awsidentities.externalbackend.dev"))
	})

	It("knows the AWSIdentity as awsid, and shows whether it works", func(ctx SpecContext) {
		_, err := store(ctx, identities.edited(set("status.observedGeneration", "1")))
		Expect(err).NotTo(HaveOccurred())
		Expect(table(kubectl(ctx, "get", "awsid"))).To(HaveExactElements(
			Equal([]string{"NAME", "READY", "ACCOUNT", "ROLE", "AGE"}),
			HaveExactElements(Equal("shared"), Equal("True"), Equal("123456789012"), Equal(someRole), age),
		))
		Expect(table(kubectl(ctx, "get", "awsid", "-o", "wide"))).To(HaveExactElements(
			Equal([]string{"NAME", "READY", "ACCOUNT", "ROLE", "EXTERNAL-ID", "REASON", "MESSAGE", "AGE"}),
			HaveExactElements(Equal("shared"), Equal("True"), Equal("123456789012"), Equal(someRole), Equal("externalbackend-0123"),
				Equal("Authenticated"), Equal("all is well"), age),
		))
	})

	It("shows what matters most, and more with -o wide", func(ctx SpecContext) {
		mustStore(ctx, set("status.service.name", "shop"), set("status.targets", "{total: 12, healthy: 7}"), set("status.conditions", notReady))
		Expect(table(kubectl(ctx, "get", "eb"))).To(HaveExactElements(
			Equal([]string{"NAME", "READY", "SERVICE", "HEALTHY", "TOTAL", "AGE"}),
			HaveExactElements(Equal("payments"), Equal("False"), Equal("shop"), Equal("7"), Equal("12"), age),
		))
		Expect(table(kubectl(ctx, "get", "eb", "-o", "wide"))).To(HaveExactElements(
			Equal([]string{"NAME", "READY", "SERVICE", "HEALTHY", "TOTAL", "REASON", "MESSAGE", "AGE"}),
			HaveExactElements(Equal("payments"), Equal("False"), Equal("shop"), Equal("7"), Equal("12"),
				Equal("ServiceNotFound"), Equal("create the Service shop"), age),
		))
	})

	It("shows an object that the operator has not seen yet", func(ctx SpecContext) {
		mustStore(ctx)
		Expect(table(kubectl(ctx, "get", "eb", "-o", "wide"))).To(HaveExactElements(
			HaveLen(8), HaveExactElements(Equal("payments"), Equal("Unknown"), Equal("0"), Equal("0"),
				Equal("Pending"), Equal("no operator has looked at this yet"), age)))
	})

	It("shows zeros where nothing is served", func(ctx SpecContext) {
		stored := full()[0]
		status := stored.Status
		status.Targets = v1alpha1.TargetCounts{}
		Expect(api.Create(ctx, stored)).To(Succeed())
		removeLater(stored)
		stored.Status = status
		Expect(api.Status().Update(ctx, stored)).To(Succeed())
		Expect(table(kubectl(ctx, "get", "eb"))[1]).To(HaveExactElements(
			Equal("everything"), Equal("True"), Equal("payments"), Equal("0"), Equal("0"), age))
	})
})

var _ = Describe("kubectl wait", func() {
	DescribeTable("can wait for every count, from the first status on", func(ctx SpecContext, status string) {
		mustStore(ctx, set("status", status))
		Expect(kubectl(ctx, "wait", "eb/payments", "--for=jsonpath={.status.observedGeneration}=1")).To(ContainSubstring("condition met"))
		for _, count := range []string{"unhealthy", "unknown", "draining", "disabled"} {
			Expect(kubectl(ctx, "wait", "eb/payments", "--for=jsonpath={.status.targets."+count+"}=0")).To(ContainSubstring("condition met"))
		}
	},
		Entry("that counts nothing", "{observedGeneration: 1}"),
		Entry("that counts what is there", "{observedGeneration: 1, targets: {total: 2, healthy: 2}}"),
	)
})

var _ = Describe("kubectl explain", func() {
	It("shows every field of the spec and of the status", func(ctx SpecContext) {
		for _, part := range []string{"spec", "status"} {
			shown := kubectl(ctx, "explain", "externalbackend."+part, "--recursive")
			for _, path := range backends.ownPaths() {
				name := path[strings.LastIndex(path, ".")+1:]
				if strings.HasPrefix(path, part+".") && !strings.HasSuffix(name, "[*]") {
					Expect(shown).To(ContainSubstring(name + "\t<"))
				}
			}
		}
	})

	DescribeTable("shows the description of a field, with its bounds and its default",
		func(ctx SpecContext, field, description string) {
			shown := strings.Join(strings.Fields(kubectl(ctx, "explain", "eb.spec."+field)), " ")
			Expect(shown).To(ContainSubstring(description))
		},
		Entry(nil, "healthCheck.interval",
			"interval from the start of one check of an address to the start of the next, such as 10s or 1m30s: 1s to 1h. Default 10s."),
		Entry(nil, "drain.duration", "0s takes it out at once. 0s to 1h, default 30s."),
		Entry(nil, "ports.servicePort", "servicePort is the port of the Service, 1 to 65535, default port. Only with management: Managed."),
		Entry(nil, "targets.state", "state is Active (default), Drain to take the addresses out with the grace of spec.drain, or Disabled"),
		Entry(nil, "targets.ports", "at most 100, and 1000 in all entries."),
		Entry(nil, "service.management", "management is Referenced (default) for a Service that you write"),
		Entry(nil, "service.template.labels", "labels of the Service, at most 32."),
	)
})

var _ = Describe("kubectl create", func() {
	It("accepts the samples", func(ctx SpecContext) {
		printed := kubectl(ctx, "create", "--dry-run=server", "--validate=strict", "-k", "../../config/samples")
		Expect(strings.Split(strings.TrimSpace(printed), "\n")).To(ConsistOf(
			"service/payments created (server dry run)",
			"externalbackend.externalbackend.dev/payments created (server dry run)",
			"externalbackend.externalbackend.dev/ledger created (server dry run)",
			"externalbackend.externalbackend.dev/orders created (server dry run)",
			"service/fleet created (server dry run)",
			"externalbackend.externalbackend.dev/fleet created (server dry run)",
			"awsidentity.externalbackend.dev/default created (server dry run)",
			"externalbackendpolicy.externalbackend.dev/shop created (server dry run)",
		))
	})
})
