// Package config keeps the appliance's own settings: its name on the network and
// its addresses. What concerns audio is aes67d's.
package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"

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

// hostname is a label as in RFC 1123 §2.1.
var hostname = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// Validate says all that is wrong with c.
func (c Config) Validate() error {
	var err error
	if c.Hostname != "" && !hostname.MatchString(c.Hostname) {
		err = fmt.Errorf("hostname: %q is not 1 to 63 letters, digits and inner hyphens", c.Hostname)
	}
	return errors.Join(err, c.Network.Validate())
}

// Load reads the first of the files that exists, and returns its name. Without any
// it returns defaults and no name. Settings that cannot be read or make no sense are
// an error, and defaults.
func Load(files ...string) (Config, string, error) {
	for _, name := range files {
		b, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Config{}, name, err
		}
		var c Config
		if err := json.Unmarshal(b, &c); err != nil {
			return Config{}, name, fmt.Errorf("%s is not JSON as expected: %w", name, err)
		}
		if err := c.Validate(); err != nil {
			return Config{}, name, fmt.Errorf("%s: %w", name, err)
		}
		return c, name, nil
	}
	return Config{}, "", nil
}
