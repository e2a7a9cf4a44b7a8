namespace PSCrac;

/// <summary>
/// A socket's state. The values are the kernel's TCP_ numbers (include/net/tcp_states.h), which it uses for all families; a unix
/// socket is Established, Listening or Closed.
/// </summary>
public enum CracSocketState
{
    /// <summary>Not known: neither the image nor the kernel records it.</summary>
    Unknown = 0,

    /// <summary>Connected.</summary>
    Established = 1,

    /// <summary>Connecting.</summary>
    SynSent = 2,

    /// <summary>Being connected to.</summary>
    SynReceived = 3,

    /// <summary>Closed here, first stage.</summary>
    FinWait1 = 4,

    /// <summary>Closed here, second stage.</summary>
    FinWait2 = 5,

    /// <summary>Closed, waiting for stray packets.</summary>
    TimeWait = 6,

    /// <summary>Neither connected nor listening.</summary>
    Closed = 7,

    /// <summary>Closed by the other side.</summary>
    CloseWait = 8,

    /// <summary>Closed by both, the last acknowledgement outstanding.</summary>
    LastAck = 9,

    /// <summary>Listening.</summary>
    Listening = 10,

    /// <summary>Closed by both at once.</summary>
    Closing = 11,
}
