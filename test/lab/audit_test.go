// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package lab

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const auditLines = `{"verb":"update","user":{"username":"a","extra":{"authentication.kubernetes.io/credential-id":["JTI=1"]}},"objectRef":{"resource":"endpointslices","namespace":"shop","name":"web"},"responseStatus":{"code":200},"stageTimestamp":"2026-01-02T03:04:05.000000Z"}
{"verb":"update","user":{"username":"a"},"objectRef":{"resource":"endpointslices","namespace":"shop","name":"refused"},"responseStatus":{"code":409}}
{"verb":"create","user":{"username":"b"},"objectRef":{"resource":"endpointslices","namespace":"other"},"responseStatus":{"code":201}}
{"verb":"create","user":{"userna`

func TestWritesAreThoseThatWereCarriedOutInTheNamespace(t *testing.T) {
	a, err := newAudit(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.log, []byte(auditLines), 0o600); err != nil {
		t.Fatal(err)
	}
	writes, err := a.Writes("shop")
	if err != nil || len(writes) != 1 || writes[0].Name != "web" || writes[0].Verb != "update" || writes[0].Time.IsZero() {
		t.Fatalf("got %+v, %v; want the one update of web", writes, err)
	}
	if attempts, err := a.Attempts("shop"); err != nil || len(attempts) != 2 || attempts[1].Name != "refused" || attempts[1].Done() {
		t.Errorf("attempts %+v, %v; want the refused update as well", attempts, err)
	}
	for id, want := range map[string]bool{"1": true, "2": false} {
		r := &Replica{Name: "manager-0", kubeconfig: kubeconfigWith(t, `{"jti":"`+id+`"}`)}
		if got, err := r.Wrote(writes[0]); err != nil || got != want {
			t.Errorf("the replica with token %s wrote it: %t, %v; want %t", id, got, err, want)
		}
	}
}

// kubeconfigWith writes a kubeconfig with a token that has the claims.
func kubeconfigWith(t *testing.T, claims string) string {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: "https://127.0.0.1:6443"}
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: "header." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".signature"}
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = "x"
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}
