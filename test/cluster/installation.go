// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Installation is the part of the shipped installation that does not run as a
// Pod, which nothing here could: the operator runs as a process, with the
// rights that this part gives it.
type Installation struct {
	Namespace      string // of the operator's ServiceAccount
	ServiceAccount string
	// Output is what kubectl printed when it was applied.
	Output string

	manifest string   // YAML documents
	crds     []string // names
}

// Install installs what the kustomize folder holds, but for what runs as a Pod,
// and returns when the API server serves the operator's kinds.
func (c *Cluster) Install(ctx context.Context, kustomization string) (Installation, error) {
	kustomized, err := c.Kubectl(ctx, nil, "kustomize", kustomization)
	if err != nil {
		return Installation{}, err
	}
	in, err := installationFrom(kustomized)
	if err != nil {
		return in, fmt.Errorf("%s: %w", kustomization, err)
	}
	if in.Output, err = c.Kubectl(ctx, strings.NewReader(in.manifest), "apply", "--server-side", "-f", "-"); err != nil {
		return in, err
	}
	for _, crd := range in.crds {
		if _, err := c.Kubectl(ctx, nil, "wait", "--for=condition=Established", "--timeout=30s", "crd/"+crd); err != nil {
			return in, err
		}
	}
	return in, nil
}

// installationFrom takes the CustomResourceDefinitions, the namespace, the
// ServiceAccount, the RBAC objects and the admission policies from what kustomize
// made.
func installationFrom(kustomized string) (Installation, error) {
	var in Installation
	var documents []string
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(kustomized)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return in, fmt.Errorf("read the output of kustomize: %w", err)
		}
		var object metav1.PartialObjectMetadata
		if err := yaml.Unmarshal(document, &object); err != nil {
			return in, fmt.Errorf("read the output of kustomize: %w", err)
		}
		switch group := object.GroupVersionKind().Group; {
		case object.Kind == "CustomResourceDefinition":
			in.crds = append(in.crds, object.Name)
		case object.Kind == "ServiceAccount":
			in.Namespace, in.ServiceAccount = object.Namespace, object.Name
		case object.Kind == "Namespace", group == "rbac.authorization.k8s.io", group == "admissionregistration.k8s.io":
		default:
			continue
		}
		documents = append(documents, string(document))
	}
	if len(in.crds) == 0 || in.ServiceAccount == "" {
		return in, fmt.Errorf("the installation has %d CustomResourceDefinitions and the service account %q: it must have at least one of each", len(in.crds), in.ServiceAccount)
	}
	in.manifest = strings.Join(documents, "---\n")
	return in, nil
}
