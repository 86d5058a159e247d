package kernel

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func paths(modules []Module) []string {
	var all []string
	for _, m := range modules {
		all = append(all, m.Path)
	}
	return all
}

func TestClosure(t *testing.T) {
	const (
		algo   = "kernel/i2c/i2c-algo.ko"
		e1000e = "kernel/net/e1000e.ko"
		pps    = "kernel/ptp/pps_core.ko"
		ptp    = "kernel/ptp/ptp.ko"
		hda    = "kernel/sound/snd-hda.ko"
		codecA = "kernel/sound/codecs/snd-codec-a.ko"
		codecB = "kernel/sound/codecs/snd-codec-b.ko"
		fast   = "kernel/crypto/crc_fast.ko"
		slow   = "kernel/crypto/crc_slow.ko"
	)
	k := testKernel(t)
	for _, tt := range []struct {
		name     string
		patterns []string
		want     []string
	}{
		{"nothing", nil, nil},
		{"alone", []string{"pps_core"}, []string{pps}},
		{"depends", []string{"e1000e"}, []string{algo, e1000e, pps, ptp}},
		{"twice", []string{"e1000e", "e1000e", "pps-core"}, []string{algo, e1000e, pps, ptp}},
		{"softdep by name and alias", []string{"snd-hda"}, []string{fast, slow, codecA, hda}},
		{"softdep pre and post", []string{"snd_codec_b"}, []string{pps, ptp, codecA, codecB}},
		{"names by pattern", []string{"snd-codec-*"}, []string{pps, ptp, codecA, codecB}},
		{"set in a pattern", []string{"crc_[a-m]*"}, []string{fast}},
		{"paths by pattern", []string{"kernel/crypto/*"}, []string{fast, slow}},
		{"path", []string{"kernel/sound/codecs/snd-codec-a.ko"}, []string{codecA}},
		{"built in", []string{"ext_four", "ext-four", "aes_*", "kernel/fs/*"}, nil},
		{"built in and not", []string{"[ae]*", "crc_slow"}, []string{slow, algo, e1000e, pps, ptp}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := k.Closure(tt.patterns)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, paths(got)); diff != "" {
				t.Errorf("Closure(%q) differs (-want +got):\n%s", tt.patterns, diff)
			}
		})
	}
}

func TestClosureMissing(t *testing.T) {
	k := testKernel(t)
	_, err := k.Closure([]string{"nvme", "e1000e", "igb*", "needy"})
	var missing *MissingModulesError
	if !errors.As(err, &missing) {
		t.Fatalf("Closure() = %v; want a MissingModulesError", err)
	}
	want := []MissingModule{{"nvme", ""}, {"igb*", ""}, {"gone", "needy"}, {"lost", "needy"}}
	if diff := cmp.Diff(want, missing.Missing); diff != "" {
		t.Errorf("missing modules differ (-want +got):\n%s", diff)
	}
	const text = "kernel 6.12-test has no module nvme, igb*, gone (needed by needy), lost (needed by needy)"
	if diff := cmp.Diff(text, err.Error()); diff != "" {
		t.Errorf("text differs (-want +got):\n%s", diff)
	}
	if _, err := k.Closure([]string{"snd[a"}); err == nil {
		t.Error("Closure(snd[a) = nil; want an error")
	}
}

func TestDepends(t *testing.T) {
	k := testKernel(t)
	closure, err := k.Closure([]string{"e1000e"})
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string][]string)
	for _, m := range closure {
		got[m.Name] = m.Depends
	}
	// pps_core is needed by both others, so it comes last and is loaded first.
	want := map[string][]string{
		"e1000e": {"i2c_algo", "ptp", "pps_core"}, "ptp": {"pps_core"}, "i2c_algo": {"pps_core"}, "pps_core": nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("depends differ (-want +got):\n%s", diff)
	}
}

func TestIndexes(t *testing.T) {
	k := testKernel(t)
	closure, err := k.Closure([]string{"e1000e", "snd_hda"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"modules.dep": `kernel/crypto/crc_fast.ko:
kernel/crypto/crc_slow.ko:
kernel/i2c/i2c-algo.ko: kernel/ptp/pps_core.ko
kernel/net/e1000e.ko: kernel/i2c/i2c-algo.ko kernel/ptp/ptp.ko kernel/ptp/pps_core.ko
kernel/ptp/pps_core.ko:
kernel/ptp/ptp.ko: kernel/ptp/pps_core.ko
kernel/sound/codecs/snd-codec-a.ko:
kernel/sound/snd-hda.ko:
`,
		"modules.alias": `alias crypto-crc crc_fast
alias cpu:feature:*[0-9] crc_fast
alias crypto_crc crc_slow
alias pci:v00008086d0000* e1000e
alias pci:v00008086d0001* e1000e
alias snd:a snd_codec_a
`,
		"modules.softdep": "softdep snd_hda pre: snd-codec-a crypto-crc aes_generic nowhere-to-be-found\n",
		"modules.builtin": "kernel/crypto/aes_generic.ko\nkernel/fs/ext-four.ko\n",
	}
	got := make(map[string]string)
	slices.Reverse(closure) // the order of what is given does not matter
	for name, data := range k.Indexes(closure) {
		got[name] = string(data)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Indexes() differs (-want +got):\n%s", diff)
	}
}

func TestAliasMatches(t *testing.T) {
	for _, tt := range []struct {
		alias, name string
		want        bool
	}{
		{"crypto-crc32c", "crypto_crc32c", true},
		{"pci:v00008086d*sv*", "pci:v00008086d000015F2sv0000", true},
		{"pci:v00008086d*sv*", "pci:v00001022d000015F2sv0000", false},
		{"dmi:*svn*", "dmi:bvnA/B:svnC/D", true},
		{"of:N*T*Cvendor,a/b", "of:NbusT(null)Cvendor,a/b", true},
		{"usb:v0403p600[0-9]*", "usb:v0403p6005d", true},
		{"usb:v0403p600[0-9]*", "usb:v0403p600Ad", false},
		{"a[", "a[", false},
	} {
		if got := aliasMatches(tt.alias, tt.name); got != tt.want {
			t.Errorf("aliasMatches(%q, %q) = %t; want %t", tt.alias, tt.name, got, tt.want)
		}
	}
}
