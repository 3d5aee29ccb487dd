// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"testing"
	"testing/synctest"
	"time"

	"externalbackend.dev/operator/internal/discovery/ec2"
)

const otherRegion = "ap-east-1"

// notIn answers as AWS does to credentials that these regions do not know.
func notIn(regions map[string]bool) func(request) (int, string) {
	return func(r request) (int, string) {
		switch {
		case regions[r.region] && r.action == "DescribeInstances":
			return 401, ec2Error("AuthFailure", "no")
		case regions[r.region]:
			return 403, stsError("InvalidClientTokenId", "no")
		case r.action == "AssumeRole":
			return 200, assumedXML(r.action, "ASIAROLEROLEROLEROLE", time.Now().Add(time.Hour))
		case r.action == "GetCallerIdentity":
			return 200, "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>1</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
		}
		return 200, instancesXML("")
	}
}

// kindIn lists the instances of a region and returns how that fails.
func kindIn(t *testing.T, c *Connector, identity ec2.Identity, region string) ec2.Kind {
	t.Helper()
	_, _, err := c.Connect(identity, region).Instances(t.Context(), ec2.InstancesRequest{})
	if err == nil {
		return ""
	}
	return failureIn(t, err).Kind
}

func TestRegionThatIsNotEnabled(t *testing.T) {
	settings(t)
	for name, test := range map[string]struct {
		identity ec2.Identity
		before   []string // regions that are listed first
		kind     ec2.Kind
		tried    int // how often another region is asked about the credentials
	}{
		"another one has just accepted them": {ec2.Identity{}, []string{region}, ec2.RegionUnknown, 0},
		"that of the identity accepts them":  {ec2.Identity{Region: region}, nil, ec2.RegionUnknown, 1},
		"that of the identity does as well":  {ec2.Identity{Region: otherRegion}, nil, ec2.CredentialsInvalid, 0},
		"none is known":                      {ec2.Identity{}, nil, ec2.CredentialsInvalid, 0},
		"a role": {
			ec2.Identity{Region: region, Role: &ec2.Role{ARN: "arn:aws:iam::1:role/r"}}, nil, ec2.RegionUnknown, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, c := start(t, notIn(map[string]bool{otherRegion: true}))
				held := c.Connect(test.identity, otherRegion)
				for _, region := range test.before {
					if kind := kindIn(t, c, test.identity, region); kind != "" {
						t.Fatal(kind)
					}
				}
				for range 2 {
					if kind := kindIn(t, c, test.identity, otherRegion); kind != test.kind {
						t.Errorf("got %s", kind)
					}
				}
				if tried := len(a.asked("GetCallerIdentity")); tried != test.tried {
					t.Errorf("tried %d times", tried)
				}
				// It goes on after a while.
				time.Sleep(10 * trusted)
				if len(test.before) > 0 || test.tried > 0 {
					if kind := kindIn(t, c, test.identity, otherRegion); kind != ec2.RegionUnknown {
						t.Errorf("later %s", kind)
					}
				}
				if _, err := held.Lifecycles(t.Context(), nil); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestCredentialsThatAreNotAcceptedAnyMore(t *testing.T) {
	settings(t)
	synctest.Test(t, func(t *testing.T) {
		refusing := map[string]bool{}
		a, c := start(t, notIn(refusing))
		identity := ec2.Identity{Region: "eu-west-2"}
		held := c.Connect(identity, region)
		for _, region := range []string{region, otherRegion} {
			if kind := kindIn(t, c, identity, region); kind != "" {
				t.Fatal(kind)
			}
		}
		for _, region := range []string{region, otherRegion, "eu-west-2"} {
			refusing[region] = true
		}
		for _, region := range []string{otherRegion, region, otherRegion, region} {
			if kind := kindIn(t, c, identity, region); kind != ec2.CredentialsInvalid {
				t.Errorf("%s: got %s", region, kind)
			}
		}
		if tried := len(a.asked("GetCallerIdentity")); tried != 2 {
			t.Errorf("tried %d times", tried)
		}
		if _, err := held.Lifecycles(t.Context(), nil); err != nil {
			t.Error(err)
		}
	})
}

func TestRejectedCredentialsAreReplacedOnceAMinute(t *testing.T) {
	settings(t)
	synctest.Test(t, func(t *testing.T) {
		assumed := 0
		a, c := start(t, func(r request) (int, string) {
			if r.action == "AssumeRole" {
				assumed++
				return 200, assumedXML(r.action, "ASIAROLEROLEROLEROL"+string(rune('0'+assumed)), time.Now().Add(time.Hour))
			}
			return 400, ec2Error("RequestExpired", "no")
		})
		identity := ec2.Identity{Role: &ec2.Role{ARN: "arn:aws:iam::1:role/r"}}
		held := c.Connect(identity, region)
		for n, want := range []int{1, 2, 2, 2} {
			if kind := kindIn(t, c, identity, region); kind != ec2.CredentialsInvalid || len(a.asked("AssumeRole")) != want {
				t.Errorf("listing %d: %s, assumed %d times", n, kind, len(a.asked("AssumeRole")))
			}
		}
		time.Sleep(trusted)
		for range 3 {
			kindIn(t, c, identity, region)
		}
		if times := len(a.asked("AssumeRole")); times != 3 {
			t.Errorf("assumed %d times", times)
		}
		if held.(*connection).session.trust.reject("ASIAROLEROLEROLEROL1") {
			t.Error("credentials with a successor are given up")
		}
	})
}

func TestRoleIsAssumedWhereTheAccountIsKnown(t *testing.T) {
	settings(t)
	synctest.Test(t, func(t *testing.T) {
		a, c := start(t, func(r request) (int, string) {
			if r.action == "AssumeRole" && r.region == otherRegion {
				return 403, stsError("RegionDisabledException", "STS is not activated in this region")
			}
			return notIn(nil)(r)
		})
		identity := ec2.Identity{Region: region, Role: &ec2.Role{ARN: "arn:aws:iam::1:role/r"}}
		if kind := kindIn(t, c, identity, otherRegion); kind != "" {
			t.Errorf("got %s", kind)
		}
		if assumed := a.asked("AssumeRole"); len(assumed) != 2 || assumed[1].region != region {
			t.Errorf("assumed %v", assumed)
		}
	})
}
