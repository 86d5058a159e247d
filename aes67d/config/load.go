package config

import (
	"fmt"
	"reflect"
	"slices"

	"aes67os/aes67d/lenient"
)

// unknownMembers finds members that there is no place for: misspelt names, which would
// otherwise be settings without effect, and those of other versions.
func unknownMembers(object []byte) ([]lenient.Member, error) {
	given, err := lenient.Members(object)
	if err != nil {
		return nil, err
	}
	fields := reflect.VisibleFields(reflect.TypeFor[Config]())
	return slices.DeleteFunc(given, func(m lenient.Member) bool {
		return slices.ContainsFunc(fields, func(f reflect.StructField) bool { return f.Tag.Get("json") == m.Name })
	}), nil
}

// parse reads a configuration from a file's content. Members not given are those of base.
// Members with a value that cannot be have their built-in default, and warnings tell of
// them.
func parse(content []byte, base Config) (c Config, unknown []lenient.Member, warnings []string, err error) {
	c = base
	if err := lenient.Unmarshal(content, &c); err != nil {
		return base, nil, nil, err
	}
	c.NodeID, c.MACAddress = "", ""
	unknown, err = unknownMembers(content)
	if err != nil {
		return base, nil, nil, err
	}
	for _, m := range unknown {
		warnings = append(warnings, fmt.Sprintf("there is no %q in the configuration; it is kept without effect", m.Name))
	}
	return c, unknown, append(warnings, c.repair()...), nil
}
