// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// expected is a fragment of an object: it must have all of it. Where a fragment is
// empty the object must not be there.
type expected struct{ kind, name, fragment string }

const manager = "externalbackend-controller-manager"

// pod expects a fragment of the operator's Pods.
func pod(fragment string) expected {
	return expected{"Deployment", manager, "spec: {template: {spec: {" + fragment + "}}}"}
}

// flags expects the operator to have these besides those that it always has.
func flags(more ...string) expected {
	all := append([]string{"--leader-elect", "--metrics-bind-address=:8443", "--health-probe-bind-address=:8081"}, more...)
	return pod("containers: [{args: ['" + strings.Join(all, "', '") + "']}]")
}

// contains says where an object lacks something of a fragment, "" if nowhere.
func contains(object, fragment any, path string) string {
	switch f := fragment.(type) {
	case map[string]any:
		o, isMap := object.(map[string]any)
		if !isMap {
			return fmt.Sprintf("%s is %v, not %v", path, object, fragment)
		}
		for key, value := range f {
			if lack := contains(o[key], value, path+"."+key); lack != "" {
				return lack
			}
		}
		return ""
	case []any:
		o, isList := object.([]any)
		if !isList || len(o) != len(f) {
			return fmt.Sprintf("%s is %v, not %v", path, object, fragment)
		}
		for i := range f {
			if lack := contains(o[i], f[i], fmt.Sprintf("%s[%d]", path, i)); lack != "" {
				return lack
			}
		}
		return ""
	default:
		if object != fragment {
			return fmt.Sprintf("%s is %v, not %v", path, object, fragment)
		}
		return ""
	}
}

// prepare applies what is of the cluster already: the CRDs, and namespaces.
func prepare(ctx context.Context) {
	GinkgoHelper()
	kubectl(ctx, nil, "apply", "--server-side", "-k", "../../config/crd")
	kubectl(ctx, nil, "wait", "--for=condition=Established", "crd", "--all", "--timeout=1m")
	for _, name := range []string{namespace, "shop", "search", "777"} {
		Expect(client.IgnoreAlreadyExists(admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}))).To(Succeed())
	}
}

// known are the objects that the API server has accepted before, as they are.
var known = map[string]bool{}

// accepted has the API server look at objects, with every field known to it.
func accepted(ctx context.Context, objects []*unstructured.Unstructured) {
	GinkgoHelper()
	var manifest bytes.Buffer
	for _, object := range objects {
		if strings.HasPrefix(object.GetAPIVersion(), "monitoring.coreos.com/") || object.GetKind() == "CustomResourceDefinition" {
			continue // the first are kinds of others; the second are applied to begin with
		}
		text, err := yaml.Marshal(object.Object)
		Expect(err).NotTo(HaveOccurred())
		if known[string(text)] {
			continue
		}
		known[string(text)] = true
		manifest.WriteString("---\n")
		manifest.Write(text)
	}
	if manifest.Len() == 0 {
		return
	}
	kubectl(ctx, manifest.Bytes(), "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
}

var _ = Describe("What a value does", Ordered, func() {
	BeforeAll(prepare)

	DescribeTable("", func(ctx SpecContext, values string, expectations ...expected) {
		objects, err := template(ctx, values)
		Expect(err).NotTo(HaveOccurred())
		for _, e := range expectations {
			object := find(objects, e.kind, e.name)
			if e.fragment == "" {
				Expect(object).To(BeNil(), "%s %s", e.kind, e.name)
				continue
			}
			Expect(object).NotTo(BeNil(), "%s %s", e.kind, e.name)
			var fragment any
			Expect(yaml.UnmarshalStrict([]byte(e.fragment), &fragment)).To(Succeed())
			// As JSON, so that numbers are the same.
			var plain any
			encoded, err := json.Marshal(object.Object)
			Expect(err).NotTo(HaveOccurred())
			Expect(json.Unmarshal(encoded, &plain)).To(Succeed())
			Expect(contains(plain, fragment, e.kind)).To(BeEmpty())
		}
		accepted(ctx, objects)
	},
		Entry("as it is", "", pod("automountServiceAccountToken: true, containers: [{image: 'externalbackend-operator:"+shippedVersion()+"'}]"),
			flags(), expected{"AWSIdentity", "default", ""}, expected{"ServiceMonitor", monitor, ""}),
		Entry("another image", "image: {repository: 'registry.example.com:5000/platform/externalbackend-operator', tag: 0.2.0, pullPolicy: Always}",
			pod("containers: [{image: 'registry.example.com:5000/platform/externalbackend-operator:0.2.0', imagePullPolicy: Always}]"),
			expected{"Pod", "externalbackend-check", "spec: {containers: [{image: 'registry.example.com:5000/platform/externalbackend-operator:0.2.0', imagePullPolicy: Always}]}"}),
		Entry("an image by its digest", "image: {tag: 0.2.0, digest: 'sha256:"+digest+"'}",
			pod("containers: [{image: 'externalbackend-operator@sha256:"+digest+"'}]")),
		Entry("a Secret to pull with", "imagePullSecrets: [{name: registry}]", pod("imagePullSecrets: [{name: registry}]"),
			expected{"Pod", "externalbackend-check", "spec: {imagePullSecrets: [{name: registry}]}"}),
		Entry("another prefix", "fullnameOverride: blue", expected{"Deployment", manager, ""},
			expected{"Deployment", "blue-controller-manager", "spec: {template: {spec: {serviceAccountName: blue-controller-manager}}}"},
			expected{"ValidatingAdmissionPolicyBinding", "blue-service-fence", "spec: {policyName: blue-service-fence, paramRef: {name: blue-controller-manager, namespace: externalbackend-system}}"},
			expected{"ClusterRoleBinding", "blue-manager-rolebinding", "{roleRef: {name: blue-manager-role}, subjects: [{kind: ServiceAccount, name: blue-controller-manager, namespace: externalbackend-system}]}"}),
		Entry("labels for all", "commonLabels: {team: network}", expected{"ClusterRole", "externalbackend-viewer-role", "metadata: {labels: {team: network, rbac.authorization.k8s.io/aggregate-to-view: 'true'}}"},
			expected{"CustomResourceDefinition", "externalbackends.externalbackend.dev", "metadata: {labels: {team: network}}"},
			expected{"Deployment", manager, "{metadata: {labels: {team: network}}, spec: {template: {metadata: {labels: {team: network, control-plane: controller-manager}}}}}"}),
		Entry("lists and maps that are left blank", "commonLabels:\npodLabels:\npodAnnotations:\nnodeSelector:\ntolerations:\nextraArgs:\nextraEnv:\nextraVolumes:\nextraVolumeMounts:\nimagePullSecrets:\nnamespaces:\ndenyCIDRs:\naffinity:\n"+
			"networkPolicy: {egress: {enabled: true, extra: null, cidrs: null}}\ncrds: {annotations: null}\nmetrics: {dashboard: {enabled: true, labels: null}, serviceMonitor: {enabled: true, labels: null}, prometheusRule: {enabled: true, labels: null}}",
			pod("affinity: null, tolerations: null"), flags(), expected{"ConfigMap", dashboard, "metadata: {labels: {app.kubernetes.io/name: externalbackend-operator}}"}),
		Entry("names that look like numbers and such", "namespaces: ['777']\ndenyCIDRs: [10.0.0.0/8]\nserviceAccount: {name: '1234'}\nmetrics: {certSecret: '1e3'}",
			expected{"ServiceAccount", "1234", "metadata: {namespace: externalbackend-system}"},
			expected{"RoleBinding", "externalbackend-manager-rolebinding", "{metadata: {namespace: '777'}, subjects: [{kind: ServiceAccount, name: '1234', namespace: externalbackend-system}]}"},
			pod("serviceAccountName: '1234', volumes: [{name: metrics-cert, secret: {secretName: '1e3'}}]")),
		Entry("an AWSIdentity with numbers for names", "awsIdentity: {create: true, name: '1', regions: [eu-west-1], accessKeySecret: '2'}",
			expected{"AWSIdentity", "1", "spec: {accessKeySecret: {name: '2'}}"}),
		Entry("a label that the chart has itself", "commonLabels: {control-plane: mine}", expected{"Deployment", manager, "metadata: {labels: {control-plane: controller-manager}}"},
			expected{"Service", manager + "-metrics-service", "metadata: {labels: {control-plane: controller-manager}}"}, expected{"Pod", "externalbackend-check", "metadata: {labels: {control-plane: null}}"}),
		Entry("one replica", "replicas: 1", expected{"Deployment", manager, "spec: {replicas: 1}"}),
		Entry("more memory", "resources: {limits: {memory: 1Gi, cpu: '1'}}",
			pod("containers: [{resources: {limits: {memory: 1Gi, cpu: '1'}, requests: {cpu: 100m, memory: 64Mi}}}]")),
		Entry("some namespaces", "namespaces: [shop, search]\ndenyCIDRs: [10.0.0.0/8, 'fd00::/8']",
			flags("--namespaces=shop,search", "--deny-cidrs=10.0.0.0/8,fd00::/8"),
			expected{"ClusterRole", "externalbackend-manager-role", ""}, expected{"ClusterRoleBinding", "externalbackend-manager-rolebinding", ""},
			expected{"Pod", "externalbackend-check", "spec: {containers: [{args: [check, --leader-elect, '--metrics-bind-address=:8443', '--health-probe-bind-address=:8081', '--namespaces=shop,search', '--deny-cidrs=10.0.0.0/8,fd00::/8']}]}"}),
		Entry("required policies", "policyMode: require", flags("--policy-mode=require")),
		Entry("networks", "denyCIDRs: [192.0.2.0/24]\nallowClusterCIDRs: [10.1.0.0/16]", flags("--deny-cidrs=192.0.2.0/24", "--allow-cluster-cidrs=10.1.0.0/16")),
		Entry("another domain", "clusterDomain: cluster.example", flags("--cluster-domain=cluster.example")),
		Entry("name servers", "dnsServers: [192.0.2.53, '192.0.2.54:5353', '2001:db8::53', '[2001:db8::54]:5353']",
			flags("--dns-servers=192.0.2.53,192.0.2.54:5353,2001:db8::53,[2001:db8::54]:5353")),
		Entry("more flags and variables", "extraArgs: [--zap-log-level=debug]\nextraEnv: [{name: AWS_REGION, value: eu-west-1}]",
			flags("--zap-log-level=debug"), pod("containers: [{env: [{name: MEMORY_LIMIT}, {name: AWS_REGION, value: eu-west-1}]}]")),
		Entry("a file for a variable", "extraEnv: [{name: AWS_CA_BUNDLE, value: /etc/proxy/ca.crt}]\nextraVolumes: [{name: proxy, configMap: {name: authorities}}]\nextraVolumeMounts: [{name: proxy, mountPath: /etc/proxy, readOnly: true}]",
			pod("volumes: [{name: proxy, configMap: {name: authorities}}], containers: [{volumeMounts: [{name: proxy, mountPath: /etc/proxy, readOnly: true}]}]")),
		Entry("a file beside the metrics' certificate", "metrics: {certSecret: tls}\nextraVolumes: [{name: proxy, emptyDir: {}}]\nextraVolumeMounts: [{name: proxy, mountPath: /etc/proxy}]",
			pod("volumes: [{name: metrics-cert}, {name: proxy}], containers: [{volumeMounts: [{name: metrics-cert}, {name: proxy}]}]")),
		Entry("an account with a role in AWS", "serviceAccount: {name: aws, annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::123456789012:role/externalbackend'}}",
			expected{"ServiceAccount", "aws", "{automountServiceAccountToken: false, metadata: {annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::123456789012:role/externalbackend'}}}"},
			pod("serviceAccountName: aws"), expected{"ValidatingAdmissionPolicyBinding", "externalbackend-endpointslice-fence", "spec: {paramRef: {name: aws, namespace: externalbackend-system}}"}),
		Entry("an account that there is", "serviceAccount: {create: false, name: mine}", expected{"ServiceAccount", "mine", ""},
			pod("serviceAccountName: mine"), expected{"RoleBinding", "externalbackend-leader-election-rolebinding", "subjects: [{kind: ServiceAccount, name: mine, namespace: externalbackend-system}]"}),
		Entry("an AWSIdentity for all", "awsIdentity: {create: true, regions: [eu-west-1], allowedNamespaces: {}}",
			expected{"AWSIdentity", "default", "{metadata: {annotations: {helm.sh/resource-policy: keep, helm.sh/hook: null}}, spec: {regions: [eu-west-1], allowedNamespaces: {}, role: null, accessKeySecret: null}}"}),
		Entry("an AWSIdentity with everything", "awsIdentity: {create: true, name: other, regions: [eu-west-1, us-east-1], allowedNamespaces: {matchLabels: {aws: 'yes'}}, accessKeySecret: key,\n"+
			"  role: {arn: 'arn:aws:iam::123456789012:role/x', sessionTags: {cluster: blue}}, instanceStatus: Ignore, autoScaling: Ignore, queues: [{url: 'https://sqs.eu-west-1.amazonaws.com/123456789012/q'}]}",
			expected{"AWSIdentity", "other", "spec: {regions: [eu-west-1, us-east-1], allowedNamespaces: {matchLabels: {aws: 'yes'}}, accessKeySecret: {name: key}, role: {arn: 'arn:aws:iam::123456789012:role/x', sessionTags: {cluster: blue}}, instanceStatus: Ignore, autoScaling: Ignore, queues: [{url: 'https://sqs.eu-west-1.amazonaws.com/123456789012/q'}]}"},
			expected{"RoleBinding", "externalbackend-access-key-reader", "{roleRef: {kind: Role, name: externalbackend-access-key-reader}, subjects: [{kind: ServiceAccount, name: externalbackend-controller-manager, namespace: externalbackend-system}]}"}),
		Entry("no metrics", "metrics: {enabled: false}", expected{"Service", manager + "-metrics-service", ""},
			pod("containers: [{ports: [{name: probes}], args: [--leader-elect, --metrics-bind-address=0, '--health-probe-bind-address=:8081']}]")),
		Entry("a certificate for the metrics", "metrics: {certSecret: cert}", flags("--metrics-cert-dir=/etc/metrics-cert"),
			pod("volumes: [{name: metrics-cert, secret: {secretName: cert}}], containers: [{volumeMounts: [{name: metrics-cert, mountPath: /etc/metrics-cert, readOnly: true}]}]")),
		Entry("a ServiceMonitor", "metrics: {serviceMonitor: {enabled: true, labels: {release: prometheus}, interval: 30s, tlsConfig: {serverName: metrics.example.com}}}",
			expected{"ServiceMonitor", monitor, "{metadata: {namespace: externalbackend-system, labels: {release: prometheus}}, spec: {endpoints: [{interval: 30s, honorLabels: true, scheme: https, tlsConfig: {serverName: metrics.example.com, insecureSkipVerify: null}}]}}"}),
		Entry("alerts", "metrics: {prometheusRule: {enabled: true, labels: {release: prometheus}}}",
			expected{"PrometheusRule", "externalbackend-controller-manager-alerts", "{metadata: {namespace: externalbackend-system, labels: {release: prometheus}}}"}),
		Entry("a dashboard", "metrics: {dashboard: {enabled: true, annotations: {grafana_folder: Network}}}",
			expected{"ConfigMap", dashboard, "metadata: {namespace: externalbackend-system, labels: {grafana_dashboard: '1'}, annotations: {grafana_folder: Network}}"}),
		Entry("no disruption budget", "podDisruptionBudget: {enabled: false}", expected{"PodDisruptionBudget", manager, ""}),
		Entry("a disruption budget in percent", "podDisruptionBudget: {maxUnavailable: 50%}", expected{"PodDisruptionBudget", manager, "spec: {maxUnavailable: 50%}"}),
		Entry("spreading", "topologySpreadConstraints: [{maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway}]",
			pod("topologySpreadConstraints: [{maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {control-plane: controller-manager, app.kubernetes.io/name: externalbackend-operator}}}]")),
		Entry("places to run", "affinity: {podAntiAffinity: null}\nnodeSelector: {disk: ssd}\ntolerations: [{key: infra, operator: Exists}]\npriorityClassName: system-cluster-critical",
			pod("affinity: null, nodeSelector: {disk: ssd}, tolerations: [{key: infra, operator: Exists}], priorityClassName: system-cluster-critical")),
		Entry("marks on the Pods", "podAnnotations: {a: b}\npodLabels: {c: d, control-plane: mine}",
			expected{"Deployment", manager, "spec: {template: {metadata: {annotations: {a: b}, labels: {c: d, control-plane: controller-manager}}}}"}),
		Entry("NetworkPolicies", "networkPolicy: {ingress: {enabled: true, from: [{podSelector: {}}]}, egress: {enabled: true, cidrs: [192.0.2.0/24], extra: [{to: [{namespaceSelector: {}}]}]}}",
			expected{"NetworkPolicy", "externalbackend-allow-metrics-traffic", "spec: {policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}], ports: [{port: 8443, protocol: TCP}]}]}"},
			expected{"NetworkPolicy", "externalbackend-allow-egress", "spec: {policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}, {to: [{ipBlock: {cidr: 192.0.2.0/24, except: null}}]}, {to: [{namespaceSelector: {}}]}]}"}),
		Entry("no admission policies", "admissionPolicies: {enabled: false}", expected{"ValidatingAdmissionPolicy", "externalbackend-service-fence", ""},
			expected{"ValidatingAdmissionPolicyBinding", "externalbackend-service-fence", ""}),
		Entry("CRDs of another release", "crds: {enabled: false}", expected{"CustomResourceDefinition", "externalbackends.externalbackend.dev", ""}),
		Entry("CRDs with marks", "crds: {annotations: {argocd.argoproj.io/sync-options: 'Prune=false,Delete=false'}}",
			expected{"CustomResourceDefinition", "externalbackends.externalbackend.dev", "metadata: {annotations: {helm.sh/resource-policy: keep, argocd.argoproj.io/sync-options: 'Prune=false,Delete=false'}}"}),
		Entry("CRDs that go with the release", "crds: {keep: false}", expected{"CustomResourceDefinition", "externalbackends.externalbackend.dev", "metadata: {annotations: {helm.sh/resource-policy: null}}"}),
	)

	It("is what the page about installing shows", func(ctx SpecContext) {
		page, err := os.ReadFile("../../docs/install.md")
		Expect(err).NotTo(HaveOccurred())
		examples := regexp.MustCompile("(?ms)^( *)```yaml\n *# values.yaml: (.*?)\n(.*?)^ *```").FindAllStringSubmatch(string(page), -1)
		Expect(len(examples)).To(BeNumerically(">", 8))
		for _, example := range examples {
			By(example[2])
			objects, err := template(ctx, strings.ReplaceAll("\n"+example[3], "\n"+example[1], "\n"))
			Expect(err).NotTo(HaveOccurred())
			accepted(ctx, objects)
		}
	})

	It("brings alerts and the dashboard as they are in config/", func(ctx SpecContext) {
		objects, err := template(ctx, "metrics: {prometheusRule: {enabled: true}, serviceMonitor: {enabled: true}, dashboard: {enabled: true}}")
		Expect(err).NotTo(HaveOccurred())
		for _, shipped := range kustomize(ctx, "prometheus") {
			rendered := find(objects, shipped.GetKind(), "externalbackend-"+shipped.GetName())
			Expect(rendered).NotTo(BeNil())
			Expect(rendered.Object["spec"]).To(Equal(shipped.Object["spec"]))
		}
		text, err := os.ReadFile("../../config/grafana/dashboard.json")
		Expect(err).NotTo(HaveOccurred())
		Expect(find(objects, "ConfigMap", dashboard).Object["data"]).To(HaveKeyWithValue("dashboard.json", string(text)))
	})
})

const (
	monitor   = "externalbackend-controller-manager-metrics-monitor"
	dashboard = "externalbackend-dashboard"
	digest    = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)
