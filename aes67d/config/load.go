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

// parse reads a configuration from a file's content. Members not given, or given with
// a value that cannot be, have their default; warnings tell of the latter.
func parse(content []byte) (c Config, unknown []lenient.Member, warnings []string, err error) {
	c = Default()
	if err := lenient.Unmarshal(content, &c); err != nil {
		return Default(), nil, nil, err
	}
	c.NodeID, c.MACAddress = "", ""
	unknown, err = unknownMembers(content)
	if err != nil {
		return Default(), nil, nil, err
	}
	for _, m := range unknown {
		warnings = append(warnings, fmt.Sprintf("there is no %q in the configuration; it is kept without effect", m.Name))
	}
	return c, unknown, append(warnings, c.repair()...), nil
}
