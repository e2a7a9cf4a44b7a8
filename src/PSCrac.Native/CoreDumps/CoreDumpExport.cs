using PSCrac.Archives;
using PSCrac.Common;
using PSCrac.Images.Memory;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.CoreDumps;

/// <summary>Makes an ELF core of a process in an image, as gdb, lldb, dotnet-dump and jhsdb read it.</summary>
internal static class CoreDumpExport
{
    private const int BufferSize = 1 << 20;

    /// <summary>Makes the core.</summary>
    /// <param name="request">The process, and the file.</param>
    /// <param name="progress">Receives how much is written; null for no reports.</param>
    /// <param name="cancellation">Cancelling leaves nothing.</param>
    /// <exception cref="CracException">The image lacks something, or the core cannot be written. Nothing is left of it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    internal static CracCoreDump Run(CoreDumpRequest request, IProgress<CracProgress>? progress = null, CancellationToken cancellation = default)
    {
        CracImageProcess process = request.Process;
        try
        {
            ProcessMemory dumped = process.DumpedMemory ?? throw NoMemory(process);
            using var memory = new CoreMemory(process, dumped, request.IncludeFile);
            var contents = new CoreContents();
            var pieces = new List<CorePiece>();
            foreach (MappedArea area in memory.Areas)
            {
                cancellation.ThrowIfCancellationRequested();
                if (!CoreMemory.IsOfKernel(area))
                {
                    pieces.Clear();
                    memory.Divide(area, pieces);
                    contents.Add(area, pieces);
                }
            }

            List<CoreThread> threads = ReadThreads(request, memory, contents, out int undone);
            RequireComplete(request, contents);
            using PrivateOutput target = PrivateOutput.Create(request.DestinationPath, request.Force, "core");
            long size = Write(request, memory, contents, threads, target, progress, cancellation);
            cancellation.ThrowIfCancellationRequested();
            FileStatus.TryReadAt(target.File, "", LibC.AT_EMPTY_PATH, out FileStatus status, out _);
            target.Commit(sync: false);
            return new CracCoreDump
            {
                Path = request.DestinationPath,
                ProcessId = process.ProcessId,
                Command = process.Command,
                Executable = process.Executable,
                Architecture = threads[0].Layout.Name,
                ThreadCount = threads.Count,
                Size = request.Compression == CracArchiveCompression.None ? size : status.SizeBytes,
                SizeOnDisk = status.AllocatedBytes,
                IncludeFile = memory.IncludeFile,
                RestoredCallCount = undone,
                LeftOut = contents.LeftOut,
                IsIncomplete = contents.FirstGap is not null,
                ImagePath = process.Image.Path,
            };
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.CoreDump, process.ProcessId, process.Image.Path);
            throw;
        }
    }

    private static List<CoreThread> ReadThreads(CoreDumpRequest request, CoreMemory memory, CoreContents contents, out int undone)
    {
        var threads = new List<CoreThread>();
        undone = 0;
        foreach (int id in ThreadsOf(request.Process))
        {
            if (request.AllowIncomplete && id != request.Process.ProcessId && !request.Process.Image.Source.Contains(CoreThread.FileNameFor(id)))
            {
                contents.LeaveOutThread(id);
                continue;
            }

            CoreThread thread = CoreThread.Read(request.Process.Image.Source, id);
            bool isUndone = !request.KeepRegister && thread.Layout == CoreLayout.X64 && InterruptedCall.Undo(thread.Registers, memory.TryRead);
            undone += isUndone ? 1 : 0;
            threads.Add(thread);
        }

        return threads;
    }

    // The main thread first: debuggers take the first for it.
    private static IEnumerable<int> ThreadsOf(CracImageProcess process)
    {
        yield return process.ProcessId;
        foreach (int id in process.ThreadIds)
        {
            if (id != process.ProcessId)
            {
                yield return id;
            }
        }
    }

    private static void RequireComplete(CoreDumpRequest request, CoreContents contents)
    {
        if (request.AllowIncomplete || contents.FirstGap is not { } gap)
        {
            return;
        }

        throw new CracException(
            CracReason.ImageIncomplete,
            gap.Reason switch
            {
                CracOmissionReason.Lazy => $"The image {request.Process.Image.Path} lacks {gap.Size} bytes of the process's memory: lazy pages, which were left in the process.",
                CracOmissionReason.MissingInParent => $"The image {request.Process.Image.Path} lacks {gap.Size} bytes of the process's memory: its parent image is missing, or does not have them.",
                _ => $"The image {request.Process.Image.Path} lacks {gap.Size} bytes of the process's memory: its file {gap.Path} is missing or cut short.",
            },
            "Copy the image again with all of its files, or give -AllowIncomplete: the core then has what is there.")
        {
            FileName = gap.Path.Length == 0 ? null : gap.Path,
        };
    }

    private static long Write(
        CoreDumpRequest request, CoreMemory memory, CoreContents contents, List<CoreThread> threads, PrivateOutput target, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        try
        {
            using FileStream? file = request.Compression == CracArchiveCompression.None ? null : new FileStream(LibC.Duplicate(target.File, 0, out _), FileAccess.Write, bufferSize: 0);
            using ZstandardWriter? compressed = file is null ? null : new ZstandardWriter(file, ZstandardWriter.DefaultLevel);
            var output = new CoreOutput(target.File, compressed);
            CoreHeader.Write(output, threads[0].Layout.Machine, memory.PageSize, contents.Segments, DescribeProcess(request.Process, memory, threads).Bytes);
            WriteMemory(memory, contents, output, progress, cancellation);
            output.Complete();
            return output.Position;
        }
        catch (IOException e)
        {
            throw target.WriteFailed(e);
        }
    }

    private static CoreNotes DescribeProcess(CracImageProcess process, CoreMemory memory, List<CoreThread> threads)
    {
        var notes = new CoreNotes();
        foreach (CoreThread thread in threads)
        {
            notes.AddThread(process, thread, thread != threads[0] ? null : () =>
            {
                notes.AddProcess(process, thread, ReadArguments(process.AddressSpace!, memory));
                notes.AddAuxiliaryVector(process.AddressSpace!.AuxiliaryVector);
                notes.AddFiles(memory.Areas, memory.PageSize, id => process.Image.OpenFiles.PathOf(id) + (process.Image.OpenFiles.IsUnlinked(id) ? " (deleted)" : ""));
            });
        }

        return notes;
    }

    private static byte[] ReadArguments(AddressSpace space, CoreMemory memory)
    {
        byte[] arguments = new byte[Math.Min(CoreNotes.ArgumentsSize, space.ArgumentsEnd - Math.Min(space.ArgumentsStart, space.ArgumentsEnd))];
        return memory.TryRead(space.ArgumentsStart, arguments) ? arguments : [];
    }

    private static void WriteMemory(CoreMemory memory, CoreContents contents, CoreOutput output, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        byte[] buffer = new byte[BufferSize];
        var pieces = new List<CorePiece>();
        long start = output.Position;
        foreach (MappedArea area in memory.Areas)
        {
            if (CoreMemory.IsOfKernel(area))
            {
                continue;
            }

            pieces.Clear();
            memory.Divide(area, pieces);
            foreach (CorePiece piece in pieces)
            {
                cancellation.ThrowIfCancellationRequested();
                if (piece.Kind == CorePieceKind.Zero)
                {
                    output.Skip((long)piece.Length);
                }
                else if (piece.Kind != CorePieceKind.None)
                {
                    Copy(memory, piece, buffer, output, cancellation);
                }
            }

            progress?.Report(new CracProgress(CracPhase.DumpingCore, output.Position - start, contents.FileSize));
        }
    }

    private static void Copy(CoreMemory memory, in CorePiece piece, byte[] buffer, CoreOutput output, CancellationToken cancellation)
    {
        for (long done = 0; done < (long)piece.Length;)
        {
            cancellation.ThrowIfCancellationRequested();
            Span<byte> part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, (long)piece.Length - done));
            memory.Read(piece, done, part);
            output.Write(part);
            done += part.Length;
        }
    }

    private static CracException NoMemory(CracImageProcess process)
    {
        string file = $"mm-{(uint)process.ProcessId}.img";
        return new CracException(
            CracReason.ImageIncomplete, $"The image {process.Image.Path} has no {file}, which describes the memory of the process.", "Copy the image again with all of its files.")
        {
            FileName = file,
        };
    }
}
