// Forty ticks for each client, a goroutine each: the idiom of the net package's documentation.
// The net package uses cgo, if it may: then the program has a dynamic loader, and the library is loaded at all.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

func main() {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening on", server.Addr())
	for {
		client, err := server.Accept()
		if err != nil {
			continue
		}
		go serve(client)
	}
}

func serve(client net.Conn) {
	defer client.Close()
	bufio.NewReader(client).ReadString('\n')
	for tick := 0; tick < 40; tick++ {
		if _, err := fmt.Fprintf(client, "tick %d %s\n", tick, strings.Repeat(".", 200)); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
