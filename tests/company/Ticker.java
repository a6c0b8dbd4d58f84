import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;

/** Forty ticks for each client, a thread each: the idiom of the Java tutorial. */
class Ticker {
    public static void main(String[] arguments) throws IOException {
        ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        System.out.println("listening on 127.0.0.1:" + server.getLocalPort());
        while (true) {
            Socket client = server.accept();
            new Thread(() -> serve(client)).start();
        }
    }

    static void serve(Socket client) {
        try (client) {
            new BufferedReader(new InputStreamReader(client.getInputStream())).readLine();
            OutputStream out = client.getOutputStream();
            for (int tick = 0; tick < 40; tick++) {
                out.write(("tick " + tick + " " + ".".repeat(200) + "\n").getBytes());
                Thread.sleep(10);
            }
        } catch (IOException | InterruptedException e) {
            // the player has left
        }
    }
}
