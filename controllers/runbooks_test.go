// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/apiserver"
)

// beyond is what commands of runbooks need that the suite does not have: nodes, an
// installed Deployment, its Lease, and AWS.
var beyond = regexp.MustCompile(`kubectl .*\b(logs|top|deployment|lease)\b|^aws `)

// runbookCommands returns the commands of all runbooks that the suite can run, by page.
func runbookCommands() map[string][]string {
	GinkgoHelper()
	pages, err := filepath.Glob(filepath.Join("..", "docs", "runbooks", "External*.md"))
	Expect(err).NotTo(HaveOccurred())
	commands := map[string][]string{}
	for _, page := range pages {
		for _, block := range blocks(filepath.Join("runbooks", filepath.Base(page)), "shell") {
			for command := range strings.SplitSeq(strings.TrimSpace(block), "\n") {
				if !beyond.MatchString(command) {
					commands[filepath.Base(page)] = append(commands[filepath.Base(page)], command)
				}
			}
		}
	}
	return commands
}

// bash returns what commands print that somebody who may do anything types.
func bash(ctx context.Context, commands string) (output string, err error) {
	GinkgoHelper()
	folder := GinkgoT().TempDir()
	file := filepath.Join(folder, "kubeconfig")
	Expect(os.WriteFile(file, kubeconfig, 0o600)).To(Succeed())
	run := exec.CommandContext(ctx, "bash", "-c", commands)
	run.Env = append(os.Environ(), "HOME="+folder, "KUBECONFIG="+file, "PATH="+filepath.Dir(apiserver.Binary("kubectl"))+":"+os.Getenv("PATH"))
	text, err := run.CombinedOutput()
	return string(text), err
}

var _ = Describe("The runbooks", func() {
	It("have commands that work as they stand", func(ctx SpecContext) {
		sharedOperator()
		s := newScene(ctx)
		f := s.fleet(ctx)
		f.ready(ctx)
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", fqdn("db", s.address("db", "192.0.2.10")))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		s.fail("db")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed))

		values := map[string]string{"NAMESPACE": s.namespace, "NAME": eb.Name, "SERVICE": "payments", "IDENTITY": f.identity.Name}
		places := regexp.MustCompile(`\b(NAMESPACE|NAME|SERVICE|IDENTITY)\b`)
		printed := map[string]string{}
		for page, commands := range runbookCommands() {
			for _, command := range commands {
				shell, _, _ := strings.Cut(places.ReplaceAllStringFunc(command, func(place string) string { return values[place] }), " | ") // what is cut off picks lines
				output, err := bash(ctx, shell)
				Expect(err).NotTo(HaveOccurred(), "%s: %s\n%s", page, shell, output)
				printed[page] += output
			}
		}
		Expect(printed).To(HaveKeyWithValue("ExternalBackendStale.md", MatchRegexp(`(?m)^db\t\d{4}-`)))
		Expect(printed).To(HaveKeyWithValue("ExternalBackendInstancesStale.md", ContainSubstring(s.namespace+"/payments\tNameServerFailed")))
		Expect(printed).To(HaveKeyWithValue("ExternalBackendDown.md", And(ContainSubstring("192.0.2.10\t"), MatchRegexp(`(?m)^LAST SEEN`))))
		Expect(printed).To(HaveKeyWithValue("ExternalBackendDNSFailing.md", ContainSubstring(s.namespace+"/payments\t1 target ")))
		Expect(printed).To(HaveKeyWithValue("ExternalBackendNotReady.md", ContainSubstring("Ready: everything is published as specified")))
		Expect(printed).To(HaveKeyWithValue("ExternalBackendAWSDenied.md", ContainSubstring(f.identity.Name+"\tAWS accepts the credentials")))
	}, SpecTimeout(15*patience))
})
