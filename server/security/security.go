// Package security makes TLS configurations from etcd's settings: files of certificates, keys and
// authorities, or certificates that a member signs itself. Files are read again at every handshake,
// so that a renewed certificate is used without a restart; a file that does not load then refuses the
// handshake and nothing else.
package security

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
)

// Config are the settings of one side: clients, or peers. The zero value is no TLS.
type Config struct {
	// CertFile and KeyFile are what this member shows, as a server and, to peers, as a client.
	CertFile, KeyFile string
	// ClientCertFile and ClientKeyFile, if set, are shown as a client instead.
	ClientCertFile, ClientKeyFile string
	// CAFile holds the authorities that the other side's certificates are checked against.
	CAFile string
	// ClientAuth demands certificates of those who connect, signed by an authority of CAFile.
	ClientAuth bool
	// Auto makes a certificate that is signed with its own key, in AutoDir, valid for AutoHosts. It
	// gives encryption, and no proof of who is talking.
	Auto      bool
	AutoDir   string
	AutoHosts []string
	// AllowedNames and AllowedHosts, if any, are the common names, and the names and addresses, of
	// which the other side's certificate must have one.
	AllowedNames, AllowedHosts []string
	// CipherSuites are names as in crypto/tls; empty: its defaults. MinVersion and MaxVersion are TLS
	// versions as in crypto/tls, 0: TLS 1.2 and the newest.
	CipherSuites           []string
	MinVersion, MaxVersion uint16
}

// ErrIncomplete: settings that need each other are not all there, or exclude each other.
var ErrIncomplete = errors.New("security: incomplete TLS settings")

// Enabled reports whether there is any TLS.
func (c *Config) Enabled() bool { return c.CertFile != "" || c.KeyFile != "" || c.Auto }

// Validate refuses settings that contradict each other or name files that do not load.
func (c *Config) Validate() error {
	switch {
	case (c.CertFile == "") != (c.KeyFile == ""):
		return fmt.Errorf("%w: certificate file %q and key file %q, want both or neither", ErrIncomplete, c.CertFile, c.KeyFile)
	case (c.ClientCertFile == "") != (c.ClientKeyFile == ""):
		return fmt.Errorf("%w: client certificate file %q and key file %q, want both or neither", ErrIncomplete, c.ClientCertFile, c.ClientKeyFile)
	case c.Auto && c.CertFile != "":
		return fmt.Errorf("%w: a certificate file and automatic TLS exclude each other", ErrIncomplete)
	case c.ClientAuth && c.CAFile == "":
		return fmt.Errorf("%w: client certificates are demanded, and no trusted CA file says whose", ErrIncomplete)
	case !c.Enabled() && (c.CAFile != "" || c.ClientAuth):
		return fmt.Errorf("%w: a trusted CA file without a certificate to show", ErrIncomplete)
	case c.MaxVersion != 0 && c.MinVersion > c.MaxVersion:
		return fmt.Errorf("%w: the least TLS version is above the greatest", ErrIncomplete)
	case c.MinVersion >= tls.VersionTLS13 && len(c.CipherSuites) > 0:
		return fmt.Errorf("%w: cipher suites cannot be chosen for TLS 1.3 alone", ErrIncomplete)
	}
	if _, err := cipherSuites(c.CipherSuites); err != nil {
		return err
	}
	if c.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile); err != nil {
			return fmt.Errorf("security: certificate %s, key %s: %w", c.CertFile, c.KeyFile, err)
		}
	}
	if c.ClientCertFile != "" {
		if _, err := tls.LoadX509KeyPair(c.ClientCertFile, c.ClientKeyFile); err != nil {
			return fmt.Errorf("security: client certificate %s, key %s: %w", c.ClientCertFile, c.ClientKeyFile, err)
		}
	}
	if c.CAFile != "" {
		_, err := authorities(c.CAFile)
		return err
	}
	return nil
}

// Server is the configuration for those who connect, nil without TLS. Protocols are for ALPN.
func (c *Config) Server(protocols ...string) (*tls.Config, error) {
	t, err := c.base()
	if t == nil || err != nil {
		return nil, err
	}
	t.NextProtos = protocols
	t.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.load(c.CertFile, c.KeyFile) }
	if c.CAFile == "" {
		return t, nil
	}
	t.ClientAuth = tls.VerifyClientCertIfGiven
	if c.ClientAuth {
		t.ClientAuth = tls.RequireAndVerifyClientCert
	}
	t.VerifyConnection = c.allowed
	plain := t.Clone()
	t.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool, err := authorities(c.CAFile)
		if err != nil {
			return nil, err
		}
		fresh := plain.Clone()
		fresh.ClientCAs = pool
		return fresh, nil
	}
	return t, nil
}

// Client is the configuration to connect to others, nil without TLS.
func (c *Config) Client() (*tls.Config, error) {
	t, err := c.base()
	if t == nil || err != nil {
		return nil, err
	}
	cert, key := c.CertFile, c.KeyFile
	if c.ClientCertFile != "" {
		cert, key = c.ClientCertFile, c.ClientKeyFile
	}
	t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.load(cert, key) }
	switch {
	case c.Auto:
		t.InsecureSkipVerify = true // everybody's certificate is signed by nobody else
	case c.CAFile != "":
		if t.RootCAs, err = authorities(c.CAFile); err != nil {
			return nil, err
		}
		t.VerifyConnection = c.allowed
	}
	return t, nil
}

func (c *Config) base() (*tls.Config, error) {
	if !c.Enabled() {
		return nil, nil
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Auto {
		if err := selfSigned(c.AutoDir, c.AutoHosts); err != nil {
			return nil, err
		}
	}
	suites, err := cipherSuites(c.CipherSuites)
	if err != nil {
		return nil, err
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: c.MaxVersion, CipherSuites: suites}
	if c.MinVersion != 0 {
		t.MinVersion = c.MinVersion
	}
	return t, nil
}

func (c *Config) load(cert, key string) (*tls.Certificate, error) {
	if c.Auto {
		cert, key = autoFiles(c.AutoDir)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("security: %w", err)
	}
	return &pair, nil
}

// allowed holds the other side's certificate, which has been verified, to the lists of names.
func (c *Config) allowed(s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 || len(c.AllowedNames)+len(c.AllowedHosts) == 0 {
		return nil
	}
	leaf := s.PeerCertificates[0]
	if slices.Contains(c.AllowedNames, leaf.Subject.CommonName) {
		return nil
	}
	for _, h := range c.AllowedHosts {
		if leaf.VerifyHostname(h) == nil {
			return nil
		}
	}
	return fmt.Errorf("security: the certificate of %q has none of the allowed names", leaf.Subject.CommonName)
}

func authorities(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("security: trusted CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("security: trusted CA file %s holds no certificate", file)
	}
	return pool, nil
}

// cipherSuites finds the suites of crypto/tls by name.
func cipherSuites(names []string) (ids []uint16, err error) {
	for _, n := range names {
		id := uint16(0)
		for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if s.Name == n {
				id = s.ID
			}
		}
		if id == 0 {
			return nil, fmt.Errorf("security: unknown cipher suite %q, accepted: names as in Go's crypto/tls, such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", n)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// Version finds a TLS version by etcd's name of it; "" is 0.
func Version(name string) (uint16, error) {
	switch name {
	case "":
		return 0, nil
	case "TLS1.2":
		return tls.VersionTLS12, nil
	case "TLS1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("security: unknown TLS version %q, accepted: TLS1.2, TLS1.3", name)
}
