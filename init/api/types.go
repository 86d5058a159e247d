// Package api is what init says about the appliance: the JSON types served on
// /run/init.sock and a client for them. It knows nothing of how init works, so
// that programs may import it and stay apart from PID 1.
//
//	GET  /status     Status
//	GET  /services   []Service
//	GET  /tuning     []Setting
//	GET  /network    []Interface
//	GET  /logs       one LogEntry a line (application/x-ndjson)
//	                 ?service=NAME ?since=SEQ ?tail=N ?follow=1
//	POST /reboot     202, then the machine goes down in good order
//	POST /power-off  202, likewise
//
// An error is an HTTP status of 400 or more with the reason as text/plain.
package api

import "time"

// SocketPath is where init listens.
const SocketPath = "/run/init.sock"

// Status is the appliance at a glance.
type Status struct {
	Version  string `json:"version"`
	Board    string `json:"board"`
	Kernel   string `json:"kernel"`
	Hostname string `json:"hostname"`
	// Uptime counts seconds since the kernel started.
	Uptime float64 `json:"uptime_seconds"`
	// Ready is the uptime, in seconds, at which every service was first ready; 0 until then.
	Ready  float64 `json:"ready_seconds"`
	CPU    CPU     `json:"cpu"`
	Memory Memory  `json:"memory"`
	Data   Data    `json:"data"`
	Driver Driver  `json:"driver"`
	// Notes are conditions that somebody should know of, worst first.
	Notes []Note `json:"notes"`
}

// CPU is the load over the last few seconds.
type CPU struct {
	Model string `json:"model"`
	Cores int    `json:"cores"`
	// Busy is the share of all cores not idle, 0 to 1.
	Busy float64 `json:"busy"`
}

// Memory is in bytes.
type Memory struct {
	Total     uint64 `json:"total_bytes"`
	Available uint64 `json:"available_bytes"`
}

// DataState is the condition of the data partition.
type DataState string

// The conditions of the data partition. Where it is missing or damaged, settings live
// in RAM and are lost at power-off.
const (
	DataMounted DataState = "mounted"
	DataFailing DataState = "failing" // mounted, and the kernel has found errors on it
	DataMissing DataState = "missing"
	DataDamaged DataState = "damaged"
)

// Data is the partition that keeps settings and state.
type Data struct {
	State  DataState `json:"state"`
	Device string    `json:"device,omitempty"`
	Total  uint64    `json:"total_bytes"`
	Free   uint64    `json:"free_bytes"`
	// Why says in words what is wrong, and is empty when nothing is.
	Why string `json:"why,omitempty"`
}

// Driver is what moves the audio.
type Driver struct {
	// Name is "ravenna" when the prebuilt kernel module is loaded, else "userspace".
	Name string `json:"name"`
	// Why says why there is no kernel module; empty otherwise.
	Why string `json:"why,omitempty"`
}

// Severity ranks notes and log lines.
type Severity string

// The severities, worst first.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Info    Severity = "info"
	Debug   Severity = "debug"
)

// Note is a condition in plain words, with what to do about it.
type Note struct {
	Severity Severity `json:"severity"`
	Text     string   `json:"text"`
}

// ServiceState is where a service is in its life.
type ServiceState string

// The states of a service.
const (
	Starting ServiceState = "starting" // running, has not said READY=1
	Running  ServiceState = "running"
	Stopping ServiceState = "stopping"
	Backoff  ServiceState = "backoff" // ended, waits to be started again
	Stopped  ServiceState = "stopped" // ended on purpose
)

// Service is a supervised program.
type Service struct {
	Name  string       `json:"name"`
	State ServiceState `json:"state"`
	PID   int          `json:"pid,omitempty"`
	// Since is when the state was entered.
	Since time.Time `json:"since"`
	// Restarts counts starts after the first.
	Restarts int `json:"restarts"`
	// Status is the service's own word on itself (STATUS= of sd_notify).
	Status string `json:"status,omitempty"`
	// LastExit says how the service last ended, in words; empty if it never did.
	LastExit string `json:"last_exit,omitempty"`
	// RSS is its resident memory in bytes.
	RSS uint64 `json:"rss_bytes"`
}

// LogEntry is one line of the log.
type LogEntry struct {
	// Seq numbers entries from 1, without gaps.
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
	// Service is who wrote it: a service's name, "init" or "kernel".
	Service  string   `json:"service"`
	Severity Severity `json:"severity"`
	Text     string   `json:"text"`
}

// Setting is one line of the tuning table, read back from the system.
type Setting struct {
	Name string `json:"name"`
	Want string `json:"want"`
	Got  string `json:"got"`
	// OK tells that Got is as good as Want.
	OK bool `json:"ok"`
	// Why says what the setting is for.
	Why string `json:"why"`
	// Error says why it could not be set or read.
	Error string `json:"error,omitempty"`
}

// Method is how an interface came by its address.
type Method string

// The methods of addressing.
const (
	DHCP      Method = "dhcp"
	LinkLocal Method = "link-local" // RFC 3927
	Static    Method = "static"
	NoAddress Method = "none"
)

// Interface is a wired network interface.
type Interface struct {
	Name   string `json:"name"`
	MAC    string `json:"mac"`
	Driver string `json:"driver,omitempty"`
	// Up tells that a cable with something alive at its other end is plugged in.
	Up bool `json:"up"`
	// Speed is in Mbit/s, 0 when unknown.
	Speed  int    `json:"speed_mbps"`
	Method Method `json:"method"`
	// Addresses are IPv4 in CIDR form.
	Addresses []string `json:"addresses"`
	Gateway   string   `json:"gateway,omitempty"`
	DNS       []string `json:"dns,omitempty"`
	// LeaseEnds is set with a DHCP lease.
	LeaseEnds *time.Time `json:"lease_ends,omitempty"`
	// Why says what is in the way when there is no address as configured.
	Why string `json:"why,omitempty"`
}
