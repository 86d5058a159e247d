// Package config keeps the appliance's own settings: its name on the network and
// its addresses. What concerns audio is aes67d's.
package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"aes67os/init/network"
)

// Config is the content of system.json, and of the aes67os.json that presets a new
// card. Members it does not know are other programs'.
type Config struct {
	// Hostname is one label of a domain name; empty is aes67- and the end of the
	// MAC address.
	Hostname string         `json:"hostname,omitempty"`
	Network  network.Config `json:"network"`
}

// isLabel tells whether s is one label of a host name (RFC 1123 §2.1).
func isLabel(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
	return len(s) >= 1 && len(s) <= 63 && strings.Trim(s, letters) == "" && s[0] != '-' && s[len(s)-1] != '-'
}

// Validate says all that is wrong with c.
func (c Config) Validate() error {
	var err error
	if c.Hostname != "" && !isLabel(c.Hostname) {
		err = fmt.Errorf("hostname: %q is not 1 to 63 letters, digits and inner hyphens", c.Hostname)
	}
	return errors.Join(err, c.Network.Validate())
}

// Source is where settings may be.
type Source struct {
	// Name is what people know it by.
	Name string
	// Read returns the content, or fs.ErrNotExist.
	Read func() ([]byte, error)
}

// File is a source on a mounted file system.
func File(name string) Source {
	return Source{name, func() ([]byte, error) { return os.ReadFile(name) }}
}

// Load takes the first of the sources that exists, and returns its name. Without any
// it returns defaults and no name. Settings that cannot be read or make no sense are
// an error, and defaults.
func Load(sources ...Source) (Config, string, error) {
	for _, s := range sources {
		b, err := s.Read()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Config{}, s.Name, fmt.Errorf("%s: %w", s.Name, err)
		}
		c, err := parse(b)
		if err != nil {
			return Config{}, s.Name, fmt.Errorf("%s: %w", s.Name, err)
		}
		return c, s.Name, nil
	}
	return Config{}, "", nil
}

func parse(b []byte) (Config, error) {
	// Windows' editors begin a file with this mark.
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	var c Config
	parts := struct {
		Hostname *string         `json:"hostname"`
		Network  json.RawMessage `json:"network"`
	}{Hostname: &c.Hostname}
	if err := json.Unmarshal(b, &parts); err != nil {
		return Config{}, fmt.Errorf("not JSON as expected: %w", err)
	}
	if parts.Network != nil {
		// All of this member is ours: what is not known here is a slip of the pen.
		strict := json.NewDecoder(bytes.NewReader(parts.Network))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&c.Network); err != nil {
			return Config{}, fmt.Errorf("network: %w", err)
		}
	}
	if err := c.Validate(); err != nil {
		return Config{}, err
	}
	return c, nil
}
