;; One client after the other, as in the Guile manual's section on sockets and communication.
;; Usage: guile counter.scm PORT
(use-modules (ice-9 rdelim))

(define (serve client)
  (let ((name (read-line client)))
    (do ((i 1 (+ i 1))) ((> i 250))
      (format client "~a ~a ~a\n" i name (make-string 8000 #\.))
      (force-output client))))

(define (serve-and-close client)
  ;; An error ends this client's turn, not the server.
  (catch 'system-error
    (lambda () (serve client) (close-port client))
    (lambda _ (false-if-exception (close-fdes (port->fdes client))))))

(let ((listener (socket PF_INET SOCK_STREAM 0)))
  (setsockopt listener SOL_SOCKET SO_REUSEADDR 1)
  (bind listener AF_INET (inet-pton AF_INET "127.0.0.1")
        (string->number (cadr (command-line))))
  (listen listener 128)
  (let loop ()
    (serve-and-close (car (accept listener)))
    (loop)))
