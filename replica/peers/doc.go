// Package peers is how members of a group reach each other.
package peers
