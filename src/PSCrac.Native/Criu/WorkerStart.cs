namespace PSCrac.Criu;

/// <summary>How a criu worker is started.</summary>
[Flags]
internal enum WorkerStart
{
    /// <summary>In a process group of its own, in the caller's session.</summary>
    Usual = 0,

    /// <summary>
    /// In a session of its own. With shell-job a tree whose session began outside it joins the worker's session, and with it the
    /// terminal of that session, if it has one (prepare_pstree_for_shell_job() in criu's pstree.c).
    /// </summary>
    OwnSession = 1,

    /// <summary>
    /// As a child of this process's first thread. A child belongs to the thread that started it, and gets its parent-death signal when
    /// that thread ends (prctl(2)), and restore-sibling makes the restored root a child of the same thread.
    /// </summary>
    OfFirstThread = 2,
}
