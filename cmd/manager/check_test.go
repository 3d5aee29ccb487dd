// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const installedIn = "externalbackend-system"

// installed is a real API server with config/default, and nobody who runs the
// operator.
type installed struct {
	*testing.T
	admin      client.Client
	cluster    *rest.Config
	kubeconfig string // of the admin
}

func install(t *testing.T) *installed {
	t.Helper()
	folder := os.Getenv("KUBEBUILDER_ASSETS")
	if folder == "" {
		t.Fatal("KUBEBUILDER_ASSETS is not set: run the test with `make test`, which builds the control plane first")
	}
	env := &envtest.Environment{BinaryAssetsDirectory: folder, ControlPlaneStartTimeout: time.Minute, ControlPlaneStopTimeout: time.Minute}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	config, err := env.Start()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	i := &installed{t, admin, config, filepath.Join(t.TempDir(), "kubeconfig")}
	if err := os.WriteFile(i.kubeconfig, env.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	i.kubectl("apply", "--server-side", "-k", "../../config/default")
	i.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=1m")
	return i
}

func (i *installed) kubectl(arguments ...string) {
	i.Helper()
	command := exec.CommandContext(i.Context(), filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), arguments...)
	command.Env = append(os.Environ(), "HOME="+filepath.Dir(i.kubeconfig), "KUBECONFIG="+i.kubeconfig)
	if output, err := command.CombinedOutput(); err != nil {
		i.Fatalf("kubectl %s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
}

// kubeconfigOf returns the path of a kubeconfig.
func kubeconfigOf(t *testing.T, cluster clientcmdapi.Cluster, user clientcmdapi.AuthInfo) string {
	t.Helper()
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters["c"], kubeconfig.AuthInfos["u"] = &cluster, &user
	kubeconfig.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	kubeconfig.CurrentContext = "x"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*kubeconfig, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// as has what is checked act as a ServiceAccount, with a real token.
func (i *installed) as(namespace, name string) {
	i.Helper()
	token := &authenticationv1.TokenRequest{}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if err := i.admin.SubResource("token").Create(i.Context(), account, token); err != nil {
		i.Fatal(err)
	}
	i.Setenv("KUBECONFIG", kubeconfigOf(i.T, clientcmdapi.Cluster{Server: i.cluster.Host, CertificateAuthorityData: i.cluster.CAData}, clientcmdapi.AuthInfo{Token: token.Status.Token}))
}

// says runs the check until it says all of this, and nothing else is wrong.
func (i *installed) says(t *testing.T, patience time.Duration, flags []string, lines ...string) {
	t.Helper()
	options, err := parseFlags(append([]string{"--leader-elect", "--leader-election-namespace=" + installedIn}, flags...), &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		var output bytes.Buffer
		fine, err := check(ctx, options, patience, &output)
		if err != nil {
			t.Fatal(err)
		}
		failures := strings.Count(output.String(), "FAIL")
		complete := fine == (failures == 0)
		for _, line := range lines {
			complete = complete && strings.Contains(output.String(), line)
			if strings.HasPrefix(line, "FAIL") {
				failures--
			}
		}
		if complete && failures == 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the check says (%v)\n%s\nand not\n%s", fine, output.String(), strings.Join(lines, "\n"))
		case <-time.After(50 * time.Millisecond): // what was changed may not be in force yet
		}
	}
}

// renew renews the Lease until the test is over, as an active replica does.
func (i *installed) renew(t *testing.T, lease *coordinationv1.Lease) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			lease.Spec.RenewTime = &metav1.MicroTime{Time: time.Now()}
			_ = i.admin.Update(ctx, lease) // the next one follows
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func TestCheck(t *testing.T) {
	i := install(t)
	i.as(installedIn, "externalbackend-controller-manager")
	const served, may = "is served, with every field of this version", "ok    this account may do all"
	fine := []string{
		"ok    the API server v1.", "knows this account as system:serviceaccount:externalbackend-system:externalbackend-controller-manager",
		"ok    ExternalBackend " + served, "ok    ExternalBackendPolicy " + served, "ok    AWSIdentity " + served,
		may + " 30 things that it needs in the cluster", may + " 4 things that it needs in namespace externalbackend-system",
	}
	i.says(t, 0, nil, append(fine, "FAIL  there is no Lease controller.externalbackend.dev in namespace externalbackend-system: see why no replica is active")...)

	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: installedIn, Name: leaderElectionID},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: new("")},
	}
	if err := i.admin.Create(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	i.says(t, 0, nil, append(fine, "FAIL  nobody holds the Lease")...)
	lease.Spec.HolderIdentity, lease.Spec.RenewTime = new("pod-1"), &metav1.MicroTime{Time: time.Now()}
	if err := i.admin.Update(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	i.says(t, 0, nil, append(fine, "FAIL  pod-1 holds the Lease controller.externalbackend.dev in namespace externalbackend-system, and has not renewed it for 0s")...)
	i.renew(t, lease)
	patient := func(t *testing.T, flags []string, lines ...string) {
		t.Helper()
		i.says(t, time.Minute, flags, append(lines, "ok    pod-1 is active: it renews the Lease controller.externalbackend.dev")...)
	}
	patient(t, nil, fine...)

	t.Run("a token that nobody knows", func(t *testing.T) {
		t.Setenv("KUBECONFIG", kubeconfigOf(t, clientcmdapi.Cluster{Server: i.cluster.Host, CertificateAuthorityData: i.cluster.CAData}, clientcmdapi.AuthInfo{Token: "stranger"}))
		i.says(t, 0, nil, "FAIL  the API server does not know who asks (", "has credentials that are valid")
	})

	t.Run("permissions that are gone", func(t *testing.T) {
		binding := &rbacv1.ClusterRoleBinding{}
		if err := i.admin.Get(t.Context(), client.ObjectKey{Name: "externalbackend-manager-rolebinding"}, binding); err != nil {
			t.Fatal(err)
		}
		if err := i.admin.Delete(t.Context(), binding); err != nil {
			t.Fatal(err)
		}
		patient(t, nil, "FAIL  this account may not, in the cluster: list namespaces, watch namespaces, list nodes, watch nodes, create services and ",
			"see that the ClusterRoleBinding of manager-role names system:serviceaccount:externalbackend-system:externalbackend-controller-manager")

		// For some namespaces, others are needed.
		flags := []string{"--namespaces=default", "--deny-cidrs=10.0.0.0/8", "--metrics-bind-address=0"}
		patient(t, flags, "FAIL  this account may not, in namespace default: create services,", "see that a RoleBinding of namespaced-manager-role in namespace default names")
		flags[2] = "--metrics-bind-address=:8443"
		patient(t, flags, "FAIL  this account may not, in namespace default: create services,",
			"FAIL  this account may not, in the cluster: create tokenreviews.authentication.k8s.io, create subjectaccessreviews.authorization.k8s.io: apply")
		binding.ResourceVersion = ""
		if err := i.admin.Create(t.Context(), binding); err != nil {
			t.Fatal(err)
		}
		patient(t, nil, fine...)
	})

	t.Run("CRDs that are older, or not there", func(t *testing.T) {
		i.kubectl("patch", "crd", "awsidentities.externalbackend.dev", "--type=json", "-p",
			`[{"op": "remove", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/queues"}, {"op": "remove", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations"}]`)
		patient(t, nil, "FAIL  AWSIdentity lacks spec.queues: apply the CRDs of this version")
		i.kubectl("get", "awsidentities") // or deleting it would take long
		i.kubectl("delete", "crd", "awsidentities.externalbackend.dev")
		patient(t, nil, "FAIL  AWSIdentity is not served: apply the CRDs of this version", "ok    ExternalBackend "+served)
		patient(t, []string{"--namespaces=externalbackend-system", "--deny-cidrs=10.0.0.0/8"}, "ok    ExternalBackend "+served)
	})
}

// Outside a Pod, the Lease may be anywhere.
func TestCheckWithoutNamespace(t *testing.T) {
	t.Setenv("KUBECONFIG", kubeconfigOf(t, clientcmdapi.Cluster{Server: "https://127.0.0.1:1"}, clientcmdapi.AuthInfo{}))
	fine, err := check(t.Context(), options{leaderElect: true}, time.Minute, &bytes.Buffer{})
	if fine || err == nil || !strings.Contains(err.Error(), "--leader-election-namespace: name the namespace of the Lease") {
		t.Errorf("%v, %v", fine, err)
	}
}

// An API server that is not there is all that there is to say.
func TestCheckWithoutAPIServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfigOf(t, clientcmdapi.Cluster{Server: "https://" + address}, clientcmdapi.AuthInfo{}))
	options, err := parseFlags(nil, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	fine, err := check(t.Context(), options, time.Minute, &output)
	if err != nil || fine {
		t.Errorf("%v, %v", fine, err)
	}
	if lines := strings.Split(strings.TrimSpace(output.String()), "\n"); len(lines) != 1 || !strings.HasPrefix(lines[0], "FAIL  the API server does not answer (") {
		t.Errorf("it says %q", lines)
	}
}
