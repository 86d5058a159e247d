package board

import "time"

// ReleasePath is where an image says what it is, as JSON of Release.
const ReleasePath = "/etc/aes67os.json"

// Release is what the builder tells init about the image it is in.
type Release struct {
	Board   string    `json:"board"`
	Version string    `json:"version"`
	Time    time.Time `json:"time"`
	// Debug tells that the image has a root shell on its console.
	Debug bool `json:"debug,omitempty"`
	// RavennaModule is the name of the prebuilt kernel module packed in, if any.
	RavennaModule string `json:"ravenna_module,omitempty"`
}
