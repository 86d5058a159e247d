package kernel

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const configText = `#
# Automatically generated file; DO NOT EDIT.
CONFIG_PREEMPT_RT=y
CONFIG_SND_ALOOP=m
# CONFIG_DEBUG_KERNEL is not set
CONFIG_HZ=250
CONFIG_LOCALVERSION=""
not an option
`

func TestConfigCheck(t *testing.T) {
	config := ParseConfig([]byte(configText))
	satisfied := map[string]string{
		"CONFIG_PREEMPT_RT": "y", "CONFIG_SND_ALOOP": "ym", "CONFIG_DEBUG_KERNEL": "n",
		"CONFIG_UNHEARD_OF": "n", "CONFIG_HZ": "250", "CONFIG_LOCALVERSION": `""`,
	}
	if err := config.Check(satisfied); err != nil {
		t.Errorf("Check() = %v; want no error", err)
	}

	required := maps.Clone(satisfied)
	maps.Copy(required, map[string]string{
		"CONFIG_SND_ALOOP": "y", "CONFIG_DEBUG_KERNEL": "ym", "CONFIG_HZ": "1000", "CONFIG_PREEMPT_RT": "n",
	})
	var wrong *ConfigError
	if err := config.Check(required); !errors.As(err, &wrong) {
		t.Fatalf("Check() = %v; want a ConfigError", err)
	}
	want := []ConfigMismatch{
		{"CONFIG_DEBUG_KERNEL", "ym", "n"},
		{"CONFIG_HZ", "1000", "250"},
		{"CONFIG_PREEMPT_RT", "n", "y"},
		{"CONFIG_SND_ALOOP", "y", "m"},
	}
	if diff := cmp.Diff(want, wrong.Mismatches); diff != "" {
		t.Errorf("mismatches differ (-want +got):\n%s", diff)
	}
	const text = "the kernel is built with CONFIG_DEBUG_KERNEL=n (must be y or m), CONFIG_HZ=250 (must be 1000), " +
		"CONFIG_PREEMPT_RT=y (must be n), CONFIG_SND_ALOOP=m (must be y)"
	if diff := cmp.Diff(text, wrong.Error()); diff != "" {
		t.Errorf("text differs (-want +got):\n%s", diff)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(configText))
	f.Fuzz(func(t *testing.T, text []byte) {
		for name := range ParseConfig(text) {
			if !strings.HasPrefix(name, "CONFIG_") {
				t.Errorf("option %q", name)
			}
		}
	})
}
