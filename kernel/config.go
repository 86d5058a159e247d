package kernel

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Config holds the options a kernel was built with, by name (CONFIG_SND). The value
// is as in the file: y, m, a number, or a string in quotes. An option that is not
// set is not there.
type Config map[string]string

// ParseConfig reads a kernel's config file. What is no assignment is passed over,
// as the kernel's own tools do.
func ParseConfig(text []byte) Config {
	config := make(Config)
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && strings.HasPrefix(name, "CONFIG_") {
			config[name] = value
		}
	}
	return config
}

// ConfigMismatch is an option that is not as required.
type ConfigMismatch struct {
	// Option is its name, Want what is required and Got what the kernel has, "n"
	// when it is not set.
	Option, Want, Got string
}

// ConfigError says which options of a kernel are not as required.
type ConfigError struct {
	// Mismatches are sorted by name.
	Mismatches []ConfigMismatch
}

// Error names every option, what it should be and what it is.
func (e *ConfigError) Error() string {
	var all []string
	for _, m := range e.Mismatches {
		all = append(all, fmt.Sprintf("%s=%s (must be %s)", m.Option, m.Got, spelled(m.Want)))
	}
	return "the kernel is built with " + strings.Join(all, ", ")
}

// spelled puts "ym" in words.
func spelled(want string) string {
	if want == "ym" {
		return "y or m"
	}
	return want
}

// Check tells whether the options are as required: "y", "m", "ym" for either, "n"
// for not set, or the very value. Its error is a *ConfigError that lists all that
// are not.
func (c Config) Check(required map[string]string) error {
	var wrong []ConfigMismatch
	for _, option := range slices.Sorted(maps.Keys(required)) {
		want, got := required[option], c[option]
		if got == "" {
			got = "n"
		}
		if got == want || want == "ym" && (got == "y" || got == "m") {
			continue
		}
		wrong = append(wrong, ConfigMismatch{option, want, got})
	}
	if wrong != nil {
		return &ConfigError{wrong}
	}
	return nil
}
