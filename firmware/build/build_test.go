package build

import "testing"

func TestDefaultCache(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "/home/somebody/.cache")
	if got, want := DefaultCache(), "/home/somebody/.cache/aes67os"; got != want {
		t.Errorf("DefaultCache() = %q; want %q", got, want)
	}
	// As for a build in a container that has no home.
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	t.Setenv("TMPDIR", "/var/tmp")
	if got, want := DefaultCache(), "/var/tmp/aes67os"; got != want {
		t.Errorf("DefaultCache() = %q; want %q", got, want)
	}
}
