// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Availability says when the addresses of a tier suffice.
type Availability struct {
	// minHealthy is how many addresses of a tier must be healthy for the tier to
	// suffice. The larger of count and percent holds.
	// +optional
	// +default={}
	MinHealthy MinHealthy `json:"minHealthy,omitzero"`

	// tiers says which tiers serve, if targets have different ones.
	// +optional
	// +default={}
	Tiers TierPolicy `json:"tiers,omitzero"`
}

// MinHealthy is how many addresses of a tier must be healthy.
type MinHealthy struct {
	// count of healthy addresses, 1 to 10000. Default 1.
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Count int32 `json:"count,omitempty"`

	// percent of the addresses of the tier, 0 to 100, rounded up. Those that drain,
	// are disabled or have no verdict yet do not count. Default 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Percent int32 `json:"percent,omitempty"`
}

// TierPolicy says which tiers serve.
type TierPolicy struct {
	// mode is Exclusive (default), by which the first tier that suffices serves
	// alone, or Cumulative, by which the tiers before it go on serving with what
	// they have left. While no tier suffices, the healthy addresses of all serve.
	// +optional
	// +default="Exclusive"
	Mode TierMode `json:"mode,omitempty"`

	// returnDelay is for how long without a break a better tier must suffice
	// before it takes over again: 0s to 1h. Default 60s. The next tier steps in at
	// once.
	// +optional
	// +default="60s"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('0s') && duration(self) <= duration('1h')",message="must be a duration from 0s to 1h in whole numbers, such as 30s or 2m"
	ReturnDelay Duration `json:"returnDelay,omitempty"`
}

// TierMode says whether tiers serve alone or together.
//
// +kubebuilder:validation:Enum=Exclusive;Cumulative
type TierMode string

const (
	// TierExclusive has one tier serve at a time.
	TierExclusive TierMode = "Exclusive"
	// TierCumulative has tiers step in beside those before them.
	TierCumulative TierMode = "Cumulative"
)
