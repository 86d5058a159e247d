package port

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"aes67os/driver"
)

// maxPorts bounds how many ports a configuration may have.
const maxPorts = 64

// ParsePorts reads a description of ports, each of them one line, or several on one line
// with ";" between them:
//
//	tone 997Hz -20dB > 1-2                  a sine
//	wav /data/jingle.wav > 3-4              a WAV file, over and over
//	record /data/talk.wav 24bit < 1-2       a WAV recorder: 16bit, 24bit (if not said), 32bit
//	loop 10ms < 1-2 > 5-6                   sinks to sources, 10 ms (if not said) later
//	card hw:CARD=UAC2Gadget 10ms > 7-8 < 1,2  a sound card, with a latency of 10 ms (if not said)
//
// Behind ">" are the device's channels that the port fills and sources send; behind "<"
// those which sinks fill and the port takes. They count from 1. For ports with several
// channels of their own they are in that order: "> 3-4" takes a card's first two inputs
// to channels 3 and 4, "> -,-,3" its third input only. Channels that are taken may be
// taken by several ports; filled by two they are an error. A word with a space, ";", "<" or
// ">" in it is written in double quotes as in Go. An error is [driver.ErrInvalid].
func ParsePorts(text string) ([]Port, error) {
	tokens, err := tokenize(text)
	if err != nil {
		return nil, err
	}
	var ports []Port
	filled := map[int]Port{}
	for statement := range split(tokens) {
		p, to, err := parsePort(statement)
		if err != nil {
			return nil, err
		}
		for _, c := range to {
			if c == driver.Unmapped {
				continue
			}
			if other := filled[c]; other != nil {
				return nil, malformed("channel %d is filled twice: by %q and %q", c+1, other.Name(), p.Name())
			}
			filled[c] = p
		}
		if ports = append(ports, p); len(ports) > maxPorts {
			return nil, malformed("more than %d ports", maxPorts)
		}
	}
	return ports, nil
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: ports: %s", driver.ErrInvalid, fmt.Sprintf(format, args...))
}

// token is a word, or one of ; < > if it is not quoted.
type token struct {
	text   string
	quoted bool
}

func (t token) is(mark string) bool { return !t.quoted && t.text == mark }

const marks = ";<>"

func tokenize(text string) ([]token, error) {
	var tokens []token
	for {
		text = strings.TrimLeft(text, " \t\r")
		if text == "" {
			return tokens, nil
		}
		end := 1
		switch {
		case text[0] == '\n':
			tokens = append(tokens, token{text: ";"})
		case strings.IndexByte(marks, text[0]) >= 0:
			tokens = append(tokens, token{text: text[:1]})
		case text[0] == '"':
			quoted, err := strconv.QuotedPrefix(text)
			if err != nil {
				return nil, malformed("a quotation mark without its end, or a wrong escape: %.40q", text)
			}
			inner, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, malformed("%s: %v", quoted, err)
			}
			tokens = append(tokens, token{inner, true})
			end = len(quoted)
		default:
			if end = strings.IndexAny(text, " \t\r\n\""+marks); end < 0 {
				end = len(text)
			}
			tokens = append(tokens, token{text: text[:end]})
		}
		text = text[end:]
	}
}

// word is a word as tokenize reads it.
func word(text string) string {
	if text == "" || strings.ContainsAny(text, " \t\r\n\""+marks) {
		return strconv.Quote(text)
	}
	return text
}

// split yields what is between the semicolons, but nothing empty.
func split(tokens []token) func(yield func([]token) bool) {
	return func(yield func([]token) bool) {
		for len(tokens) > 0 {
			end := slices.IndexFunc(tokens, func(t token) bool { return t.is(";") })
			if end < 0 {
				end = len(tokens)
			}
			if end > 0 && !yield(tokens[:end]) {
				return
			}
			tokens = tokens[min(end+1, len(tokens)):]
		}
	}
}

// statement is what is said of a port.
type statement struct {
	kind     string
	words    []string
	from, to []int
}

func parseStatement(tokens []token) (statement, error) {
	s := statement{kind: tokens[0].text}
	tokens = tokens[1:]
	isArrow := func(t token) bool { return t.is("<") || t.is(">") }
	for len(tokens) > 0 && !isArrow(tokens[0]) {
		s.words = append(s.words, tokens[0].text)
		tokens = tokens[1:]
	}
	for len(tokens) > 0 {
		arrow := tokens[0].text
		channels := &s.to
		if arrow == "<" {
			channels = &s.from
		}
		if *channels != nil {
			return s, malformed("%s: %q twice", s.kind, arrow)
		}
		tokens = tokens[1:]
		list := ""
		for len(tokens) > 0 && !isArrow(tokens[0]) {
			list += " " + tokens[0].text
			tokens = tokens[1:]
		}
		var err error
		if *channels, err = parseChannels(list); err != nil {
			return s, malformed("%s %s: %v", s.kind, arrow, err)
		}
	}
	return s, nil
}

// parsePort makes a port, and tells which channels it fills.
func parsePort(tokens []token) (Port, []int, error) {
	s, err := parseStatement(tokens)
	if err != nil {
		return nil, nil, err
	}
	var p Port
	switch s.kind {
	case "tone":
		p, err = s.tone()
	case "wav":
		p, err = s.player()
	case "record":
		p, err = s.recorder()
	case "loop":
		p, err = s.loop()
	case "card":
		p, err = s.card()
	default:
		return nil, nil, malformed("there is no port %q; there are tone, wav, record, loop and card", s.kind)
	}
	return p, s.to, err
}

// want checks which channels are there and how many words.
func (s statement) want(from, to bool, fewest, most int) error {
	switch {
	case from && s.from == nil:
		return malformed("%s: \"<\" and the channels to take from are missing", s.kind)
	case to && s.to == nil:
		return malformed("%s: \">\" and the channels to fill are missing", s.kind)
	case !from && s.from != nil:
		return malformed("%s takes nothing, it cannot have \"<\"", s.kind)
	case !to && s.to != nil:
		return malformed("%s fills nothing, it cannot have \">\"", s.kind)
	case len(s.words) < fewest:
		return malformed("%s: too little is said of it", s.kind)
	case len(s.words) > most:
		return malformed("%s: %q is too much", s.kind, s.words[most])
	}
	return nil
}

func (s statement) tone() (Port, error) {
	if err := s.want(false, true, 2, 2); err != nil {
		return nil, err
	}
	hz, err := quantity(s.words[0], "Hz", 0.001, 192000)
	if err != nil {
		return nil, err
	}
	db, err := quantity(s.words[1], "dB", -200, 0)
	return Tone{Frequency: hz, Level: db, To: s.to}, err
}

func (s statement) player() (Port, error) {
	if err := s.want(false, true, 1, 1); err != nil {
		return nil, err
	}
	return Player{Path: s.words[0], To: s.to}, nil
}

func (s statement) recorder() (Port, error) {
	if err := s.want(true, false, 1, 2); err != nil {
		return nil, err
	}
	r := Recorder{Path: s.words[0], From: s.from}
	if len(s.words) > 1 {
		switch s.words[1] {
		case "16bit", "24bit", "32bit":
			r.Bits, _ = strconv.Atoi(s.words[1][:2])
		default:
			return nil, malformed("record: %q is not 16bit, 24bit or 32bit", s.words[1])
		}
	}
	return r, nil
}

func (s statement) loop() (Port, error) {
	if err := s.want(true, true, 0, 1); err != nil {
		return nil, err
	}
	if len(s.from) != len(s.to) {
		return nil, malformed("loop: %d channels cannot go to %d", len(s.from), len(s.to))
	}
	delay, err := s.time(0)
	return Loop{From: s.from, To: s.to, Delay: delay}, err
}

func (s statement) card() (Port, error) {
	if err := s.want(s.from != nil, s.to != nil, 1, 2); err != nil {
		return nil, err
	}
	if s.from == nil && s.to == nil {
		return nil, malformed("card: neither \">\" nor \"<\" and channels for it")
	}
	if _, err := parseCardName(s.words[0]); err != nil {
		return nil, malformed("card: %v", err)
	}
	latency, err := s.time(1)
	return &Card{Device: s.words[0], Latency: latency, From: s.from, To: s.to}, err
}

// time reads a word that need not be there.
func (s statement) time(word int) (time.Duration, error) {
	if len(s.words) <= word {
		return 0, nil
	}
	t, err := time.ParseDuration(s.words[word])
	if err != nil || t < minLatency || t > maxLatency {
		return 0, malformed("%s: %q is not a time from %v to %v", s.kind, s.words[word], minLatency, maxLatency)
	}
	return t, nil
}

// quantity reads a number with its unit.
func quantity(text, unit string, low, high float64) (float64, error) {
	digits, ok := strings.CutSuffix(text, unit)
	f, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || !(f >= low && f <= high) {
		return 0, malformed("%q is not a number from %s%s to %s%s", text, number(low), unit, number(high), unit)
	}
	return f, nil
}
