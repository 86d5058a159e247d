// Package lenient reads JSON as clients of the known daemon for Linux write it. That
// daemon keeps every value as text until it needs it, so for years scripts could say
// "15" for 15, "true" or 1 for true, and 7 for "7". They still can.
//
// What it is strict about, it says in words: which member is at fault, what it must be,
// and what it was. Names are compared exactly, members that nobody knows are passed
// over, and of members given twice the last holds.
//
// It reads objects into structs with the tags of encoding/json, whose fields are
// strings, booleans, integers, structs of these and slices of these.
package lenient

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Error tells in words why JSON was refused.
type Error struct {
	// Line is where text ceases to be JSON, from 1; 0 if it is JSON.
	Line int
	// Member is the path to what is at fault, such as "sources[3].map[0]"; it is empty
	// if the text as a whole is.
	Member string
	// Reason says what is wrong, such as "is missing".
	Reason string
}

func (e *Error) Error() string {
	switch {
	case e.Line > 0:
		return fmt.Sprintf("error parsing JSON at line %d: %s", e.Line, e.Reason)
	case e.Member != "":
		return fmt.Sprintf("error parsing JSON: %s %s", e.Member, e.Reason)
	}
	return "error parsing JSON: " + e.Reason
}

// Unmarshal reads the JSON object data into the struct to which v points. Fields without
// a member stay as they are. Required are the names of members that have to be there;
// "sources.name" is the name of each object in the array sources.
//
// With an error, which is an [*Error], v is as it was. The caller bounds the size of data.
func Unmarshal(data []byte, v any, required ...string) error {
	if err := syntax(data); err != nil {
		return err
	}
	into := reflect.ValueOf(v).Elem()
	d := decoder{required}
	fresh := reflect.New(into.Type()).Elem()
	fresh.Set(into)
	if err := d.object("", "", data, fresh); err != nil {
		return err
	}
	into.Set(fresh)
	return nil
}

// Member is a member of a JSON object.
type Member struct {
	Name  string
	Value json.RawMessage
}

// Members returns the members of the JSON object data in its order, each name once. An
// error is an [*Error].
func Members(data []byte) ([]Member, error) {
	if err := syntax(data); err != nil {
		return nil, err
	}
	return members("", data)
}

// syntax checks that data is JSON, so that whoever reads it next finds no such error.
func syntax(data []byte) error {
	var whole json.RawMessage
	err := json.Unmarshal(data, &whole)
	if err == nil {
		return nil
	}
	at := len(data)
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = min(at, int(s.Offset))
	}
	return &Error{Line: 1 + bytes.Count(data[:at], []byte("\n")), Reason: err.Error()}
}

func members(path string, raw json.RawMessage) ([]Member, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if brace, err := d.Token(); err != nil || brace != json.Delim('{') {
		return nil, &Error{Member: path, Reason: "must be an object, not " + given(raw)}
	}
	var list []Member
	place := map[string]int{}
	for d.More() {
		var m Member
		name, err := d.Token()
		if err == nil {
			m.Name, _ = name.(string)
			err = d.Decode(&m.Value)
		}
		if err != nil {
			return nil, &Error{Member: path, Reason: err.Error()}
		}
		if i, twice := place[m.Name]; twice {
			list[i] = m
			continue
		}
		place[m.Name] = len(list)
		list = append(list, m)
	}
	return list, nil
}

type decoder struct{ required []string }

// object reads raw into the struct v. Path is where it is in the text, kind the same
// without indices, as in required.
func (d *decoder) object(path, kind string, raw json.RawMessage, v reflect.Value) error {
	list, err := members(path, raw)
	if err != nil {
		return err
	}
	given := map[string]json.RawMessage{}
	for _, m := range list {
		given[m.Name] = m.Value
	}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		value, ok := given[name]
		switch {
		case name == "" || name == "-":
		case ok:
			if err := d.value(join(path, name), join(kind, name), value, v.Field(i)); err != nil {
				return err
			}
		case slices.Contains(d.required, join(kind, name)):
			return &Error{Member: join(path, name), Reason: "is missing"}
		}
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func (d *decoder) value(path, kind string, raw json.RawMessage, v reflect.Value) error {
	switch v.Kind() {
	case reflect.Struct:
		return d.object(path, kind, raw, v)
	case reflect.Slice:
		return d.array(path, kind, raw, v)
	}
	text, ok := scalar(raw)
	switch {
	case v.Kind() == reflect.String:
		if !ok {
			return &Error{Member: path, Reason: "must be a string, not " + given(raw)}
		}
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		switch strings.TrimSpace(text) {
		case "true", "1":
			v.SetBool(true)
		case "false", "0":
			v.SetBool(false)
		default:
			return &Error{Member: path, Reason: "must be true or false, not " + given(raw)}
		}
	default:
		return number(path, raw, text, v)
	}
	return nil
}

// number reads text, which raw stands for, into the integer v.
func number(path string, raw json.RawMessage, text string, v reflect.Value) error {
	must := "must be a whole number, not "
	low, high := int64(math.MinInt64), int64(math.MaxInt64)
	if bits := v.Type().Bits(); bits < 64 {
		low, high = -1<<(bits-1), 1<<(bits-1)-1
		if v.CanUint() {
			low, high = 0, 1<<bits-1
		}
		must = fmt.Sprintf("must be a whole number from %d to %d, not ", low, high)
	} else if v.CanUint() {
		low, must = 0, "must be a whole number of at least 0, not "
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < low || n > high {
		return &Error{Member: path, Reason: must + given(raw)}
	}
	if v.CanUint() {
		v.SetUint(uint64(n))
	} else {
		v.SetInt(n)
	}
	return nil
}

func (d *decoder) array(path, kind string, raw json.RawMessage, v reflect.Value) error {
	// The known daemon takes null for an array without elements, as do we.
	if raw[0] != '[' && raw[0] != 'n' {
		return &Error{Member: path, Reason: "must be an array, not " + given(raw)}
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(raw, &elements); err != nil {
		return &Error{Member: path, Reason: err.Error()}
	}
	slice := reflect.MakeSlice(v.Type(), len(elements), len(elements))
	for i, e := range elements {
		if err := d.value(fmt.Sprintf("%s[%d]", path, i), kind, e, slice.Index(i)); err != nil {
			return err
		}
	}
	v.Set(slice)
	return nil
}

// scalar is the text of a string, a number or a boolean.
func scalar(raw json.RawMessage) (text string, ok bool) {
	switch raw[0] {
	case '{', '[', 'n':
		return "", false
	case '"':
		err := json.Unmarshal(raw, &text)
		return text, err == nil
	}
	return string(raw), true
}

// given says in an error what there was.
func given(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	// A text of any length comes back to whoever sent it; its beginning tells enough.
	const most = 40
	if s := []rune(string(raw)); len(s) > most {
		return string(s[:most]) + "..."
	}
	return string(raw)
}
