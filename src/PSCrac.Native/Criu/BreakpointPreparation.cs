using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Criu;

/// <summary>
/// Prepares the kernel for criu's breakpoints. At the end of a restore, and when it leaves a task that it has dumped, criu stops each
/// task with one (compel_stop_pie in compel's infect.c), which the kernel implements as a performance event. The first event of any
/// task makes the kernel enable hooks in its scheduler and wait until every processor has seen them (account_event in
/// kernel/events/core.c), which takes 10 to 30 ms. An event of this process, opened while criu still starts or reads the image, has
/// completed that by then. The hooks stay on until a second after the last event was closed.
/// </summary>
internal sealed class BreakpointPreparation : IDisposable
{
    private readonly Task<SafeFileHandle> _opening = Task.Run(static () => LibC.OpenIdleEvent(out _));

    /// <summary>Begins without waiting. If events are not allowed, the operation only takes longer.</summary>
    internal static BreakpointPreparation Begin() => new();

    /// <summary>Closes the event as soon as it is open.</summary>
    public void Dispose() => _opening.ContinueWith(static opened => opened.Result.Dispose(), TaskScheduler.Default);
}
