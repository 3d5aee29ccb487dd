// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var _ = Describe("The operator's Pod", func() {
	var pod *corev1.Pod
	var account corev1.ServiceAccount
	BeforeEach(func(ctx SpecContext) {
		objects := render(ctx, filepath.Join("..", "..", "config", "default"))
		var deployment appsv1.Deployment
		convert := runtime.DefaultUnstructuredConverter.FromUnstructured
		Expect(convert(only(objects, "Deployment").Object, &deployment)).To(Succeed())
		account = corev1.ServiceAccount{}
		Expect(convert(only(objects, "ServiceAccount").Object, &account)).To(Succeed())
		template := deployment.Spec.Template
		pod = &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
		pod.Namespace, pod.GenerateName = deployment.Namespace, "pod-"
	})

	// admit asks the API server for the Pod, in the namespace that is installed.
	admit := func(ctx SpecContext) error {
		return admin.Create(ctx, pod, client.DryRunAll)
	}

	It("is admitted where pod security is restricted, as the installation has it", func(ctx SpecContext) {
		namespace := corev1.Namespace{}
		Expect(admin.Get(ctx, client.ObjectKey{Name: pod.Namespace}, &namespace)).To(Succeed())
		Expect(namespace.Labels).To(HaveKeyWithValue("pod-security.kubernetes.io/enforce", "restricted"))
		Expect(admit(ctx)).To(Succeed())
	})

	DescribeTable("is refused there with", func(ctx SpecContext, weaken func(*corev1.PodSpec), violation string) {
		weaken(&pod.Spec)
		err := admit(ctx)
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(And(ContainSubstring(`violates PodSecurity "restricted`), ContainSubstring(violation))))
	},
		Entry("the network of the node", func(s *corev1.PodSpec) { s.HostNetwork = true }, "host namespaces"),
		Entry("the processes of the node", func(s *corev1.PodSpec) { s.HostPID = true }, "host namespaces"),
		Entry("files of the node", func(s *corev1.PodSpec) {
			s.Volumes = []corev1.Volume{{Name: "node", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}}
		}, "hostPath"),
		Entry("root", func(s *corev1.PodSpec) {
			s.SecurityContext.RunAsNonRoot, s.SecurityContext.RunAsUser = nil, new(int64(0))
		}, "runAsNonRoot"),
		Entry("any system call", func(s *corev1.PodSpec) { s.SecurityContext.SeccompProfile = nil }, "seccompProfile"),
		Entry("capabilities", func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.Capabilities = nil }, "capabilities"),
		Entry("a capability more", func(s *corev1.PodSpec) {
			s.Containers[0].SecurityContext.Capabilities.Add = []corev1.Capability{"NET_RAW"}
		}, "NET_RAW"),
		Entry("more privileges than it starts with", func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil }, "allowPrivilegeEscalation"),
	)

	It("can write nowhere, holds no Secret, and has the token of its own account alone", func() {
		Expect(pod.Spec.InitContainers).To(BeEmpty())
		Expect(pod.Spec.Containers).To(HaveLen(1))
		container := pod.Spec.Containers[0]
		Expect(*container.SecurityContext.ReadOnlyRootFilesystem).To(BeTrue())
		Expect(pod.Spec.Volumes).To(BeEmpty())
		Expect(container.VolumeMounts).To(BeEmpty())
		Expect(container.VolumeDevices).To(BeEmpty())
		Expect(container.EnvFrom).To(BeEmpty())
		Expect(container.Command).To(BeEmpty(), "the image has nothing but the operator")

		Expect(pod.Spec.ServiceAccountName).To(Equal(account.Name))
		Expect(pod.Namespace).To(Equal(account.Namespace))
		Expect(pod.Spec.AutomountServiceAccountToken).To(HaveValue(BeTrue()))
		Expect(account.AutomountServiceAccountToken).To(HaveValue(BeFalse()), "other Pods with the account")
		Expect(account.Secrets).To(BeEmpty())
	})

	It("is told the memory that it may use by the limit itself", func(ctx SpecContext) {
		container := pod.Spec.Containers[0]
		Expect(container.Resources.Limits.Memory().Value()).To(BeNumerically(">=", 64<<20))
		Expect(container.Resources.Requests.Memory().Cmp(*container.Resources.Limits.Memory())).To(Equal(-1))
		Expect(container.Env).To(HaveLen(1), "GOMEMLIMIT would go first")
		Expect(container.Env[0].Name).To(Equal("MEMORY_LIMIT"))
		Expect(container.Env[0].ValueFrom.ResourceFieldRef.Resource).To(Equal("limits.memory"))
		Expect(admit(ctx)).To(Succeed())
		Expect(pod.Spec.Containers[0].Env[0].ValueFrom.ResourceFieldRef.Divisor.Value()).To(BeZero(), "in bytes")
	})
})
