package network

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// resolver is what one interface contributes to resolv.conf(5).
type resolver struct {
	servers []netip.Addr
	domain  string
}

// resolvConf merges in order: the first interface's servers are asked first.
func resolvConf(all []resolver) string {
	var servers []netip.Addr
	var domains []string
	for _, r := range all {
		for _, s := range r.servers {
			if !slices.Contains(servers, s) {
				servers = append(servers, s)
			}
		}
		if r.domain != "" && !slices.Contains(domains, r.domain) {
			domains = append(domains, r.domain)
		}
	}
	var b strings.Builder
	b.WriteString("# Written by init from the network's settings.\n")
	if domains != nil {
		fmt.Fprintf(&b, "search %s\n", strings.Join(domains, " "))
	}
	for _, s := range servers {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	return b.String()
}

// replaceFile lets a reader see the old content or the new, and no other. The file
// lives in RAM, so nothing is synced.
func replaceFile(path, content string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.WriteString(content)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
