// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// installation is the part of the shipped installation that does not run as a
// Pod, which nothing here could: the demo runs the operator as a process, with
// the rights that this part gives it.
type installation struct {
	manifest       string   // YAML documents
	crds           []string // names
	namespace      string   // of the operator's ServiceAccount
	serviceAccount string
}

// installationFrom takes the CustomResourceDefinitions, the namespace, the
// ServiceAccount and the RBAC objects from what kustomize made.
func installationFrom(kustomized string) (installation, error) {
	var in installation
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
			in.namespace, in.serviceAccount = object.Namespace, object.Name
		case object.Kind == "Namespace", group == "rbac.authorization.k8s.io":
		default:
			continue
		}
		documents = append(documents, string(document))
	}
	if len(in.crds) == 0 || in.serviceAccount == "" {
		return in, fmt.Errorf("the installation has %d CustomResourceDefinitions and the service account %q: it must have at least one of each", len(in.crds), in.serviceAccount)
	}
	in.manifest = strings.Join(documents, "---\n")
	return in, nil
}
