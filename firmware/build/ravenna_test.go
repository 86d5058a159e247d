package build

import (
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aes67os/kernel"
)

// unpacked is a build that has come to where the user's module is taken.
func unpacked(t *testing.T) *build {
	t.Helper()
	o := newSource(t).options(t, io.Discard)
	b := &build{Options: o, stages: newStages(io.Discard), modules: o.Board.Modules}
	for _, stage := range []func() error{
		func() error { _, err := b.fetch(t.Context(), func(string) {}); return err },
		func() error { _, err := b.unpack(t.Context(), func(string) {}); return err },
	} {
		if err := stage(); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func TestTakeRavenna(t *testing.T) {
	b := unpacked(t)
	before := *b
	const name = "the_longest_name_that_the_kernel_has_a_place_for_is_55_"
	file := filepath.Join(t.TempDir(), "user.ko")
	write(t, filepath.Dir(file), map[string]string{"user.ko": module(name, "depends=", "version=1.2")})
	b.RavennaModule = file
	if err := b.takeRavenna(); err != nil {
		t.Fatal(err)
	}
	if b.release.RavennaModule != name || b.ravenna.Version != "1.2" {
		t.Errorf("release has module %q, version %q; want %s, 1.2", b.release.RavennaModule, b.ravenna.Version, name)
	}
	if diff := cmp.Diff([]string{"snd_*", name}, b.modules); diff != "" {
		t.Errorf("modules of the image (-want +got):\n%s", diff)
	}
	in := func(k *kernel.Kernel) bool {
		return slices.ContainsFunc(k.Modules(), func(m kernel.Module) bool { return m.Path == "updates/"+name+".ko" })
	}
	if !in(b.kernel) || in(before.kernel) {
		t.Errorf("the module is with the kernel: %t, before: %t; want true, false", in(b.kernel), in(before.kernel))
	}
}

func TestTakeRavennaRefuses(t *testing.T) {
	b := unpacked(t)
	dir := t.TempDir()
	for _, test := range []struct{ name, module, want string }{
		{"name that is a path", module("../../../../init"), `"../../../../init" is no name of a kernel module`},
		{"name with a newline", module("a\nb"), `"a\nb" is no name`},
		{"name too long", module(strings.Repeat("n", 56)), `n" is no name`},
		{"no name", module(""), `"" is no name`},
		{"another kernel", strings.ReplaceAll(module("m"), testVermagic, strings.Replace(testVermagic, "6.12", "6.01", 1)),
			"built for another kernel\n  module:     6.01-test"},
		{"no module", "#!/bin/sh\n", "not a kernel module"},
	} {
		t.Run(test.name, func(t *testing.T) {
			write(t, dir, map[string]string{"user.ko": test.module})
			refused := *b
			refused.RavennaModule = filepath.Join(dir, "user.ko")
			err := refused.takeRavenna()
			wantError(t, err, refused.RavennaModule+": ", test.want)
			if refused.ravenna != nil || refused.release.RavennaModule != "" || refused.kernel != b.kernel {
				t.Error("the module that was refused is in the build")
			}
		})
	}
	t.Run("no file", func(t *testing.T) {
		refused := *b
		refused.RavennaModule = filepath.Join(dir, "nothing.ko")
		wantError(t, refused.takeRavenna(), "nothing.ko: no such file")
	})
	t.Run("none given", func(t *testing.T) {
		if err := b.takeRavenna(); err != nil || b.ravenna != nil {
			t.Errorf("takeRavenna() = %v, module %v; want nothing done", err, b.ravenna)
		}
	})
}
