# Restores that run before their memory is there.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle python3
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
    # Whenever the file go is made, it says in answer whether its memory is what it was.
    Set-Content -LiteralPath "$folder/big.py" @'
import hashlib, os, sys, time
big = bytearray(os.urandom(1 << 20) * 200)
told = hashlib.sha256(big).hexdigest()
folder = sys.argv[1]
open(folder + "/ready", "w").close()
while True:
    if os.path.exists(folder + "/go"):
        os.remove(folder + "/go")
        with open(folder + "/part", "w") as f:
            f.write("good" if hashlib.sha256(big).hexdigest() == told else "bad")
        os.rename(folder + "/part", folder + "/answer")
    time.sleep(0.02)
'@

    function Start-Big([string] $Work) {
        $id = Start-TestProgram "$(Find-Program python3) $folder/big.py $Work"
        Wait-Until { Test-Path -LiteralPath "$Work/ready" } 'the program is ready'
        $id
    }

    function Get-Answer([string] $Work) {
        Set-Content -LiteralPath "$Work/go" ''
        Wait-Until { Test-Path -LiteralPath "$Work/answer" } 'the program answers'
        Get-Content -LiteralPath "$Work/answer" -Raw
    }

    # A session of its own that restores, prints the page daemon's id and then does what it is told.
    function Start-RestoringSession([string] $Image, [string] $Then) {
        $start = [Diagnostics.ProcessStartInfo]::new([Environment]::ProcessPath)
        foreach ($argument in @(Get-PwshCommand | Select-Object -Skip 1) + @('-NoProfile', '-NonInteractive', '-Command') +
            "Import-Module '$($(Get-Module PSCrac).Path)'; (Restore-CracProcess '$Image' -LazyPages).LazyPages.DaemonId; $Then") {
            $start.ArgumentList.Add($argument)
        }
        $start.RedirectStandardOutput = $true
        [Diagnostics.Process]::Start($start)
    }
}

AfterAll {
    Exit-CracTest
}

Describe "Restore-CracProcess -LazyPages$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeEach {
        $work = (New-Item -ItemType Directory "$folder/$([guid]::NewGuid())").FullName
        $id = Start-Big $work
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr"
    }

    AfterEach {
        Stop-TestProgram
    }

    It 'says when all pages are in' {
        $restored = $image | Restore-CracProcess -LazyPages -Verbose 4>&1 | Where-Object { $_ -isnot [Management.Automation.VerboseRecord] }
        $restored.LazyPages | Should -BeOfType ([PSCrac.CracLazyPages])
        $restored.LazyPages.WaitForAll([timespan]::FromSeconds(30)) | Should -BeTrue
        $restored.LazyPages.State | Should -Be Completed
        $restored.LazyPages.TransferTime | Should -BeGreaterThan ([timespan]::Zero)
        Get-Answer $work | Should -Be good
    }

    It 'goes on when the session ends' {
        $session = Start-RestoringSession $image.Path ''
        $daemon = [int] $session.StandardOutput.ReadLine()
        $session.WaitForExit()
        Get-Answer $work | Should -Be good
        Wait-Until { -not (Test-Running $daemon) } 'the page daemon ends'
    }

    It 'goes on when the session is killed' {
        $session = Start-RestoringSession $image.Path 'Start-Sleep 100'
        $daemon = [int] $session.StandardOutput.ReadLine()
        $session.Kill()
        $session.WaitForExit()
        Get-Answer $work | Should -Be good
        Wait-Until { -not (Test-Running $daemon) } 'the page daemon ends'
    }
}

Describe "Test-CracImage -LazyPages$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    It 'foretells that more is reserved than there is' {
        # Room that nobody may touch, as .NET reserves it for its heap.
        Set-Content -LiteralPath "$folder/reserve.py" @'
import ctypes, sys, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
assert libc.mmap(None, ctypes.c_size_t(4 << 40), 0, 0x22, -1, ctypes.c_long(0)) != ctypes.c_void_p(-1).value
open(sys.argv[1], "w").close()
time.sleep(1000)
'@
        $id = Start-TestProgram "$(Find-Program python3) $folder/reserve.py $folder/reserved"
        Wait-Until { Test-Path -LiteralPath "$folder/reserved" } 'the program is ready'
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$folder/reserved.cr"

        $image | Test-CracImage -Quiet | Should -BeTrue
        $image | Test-CracImage -Quiet -LazyPages | Should -BeFalse
        $blocker = $image | Test-CracImage -LazyPages | Where-Object Severity -EQ Blocker
        $blocker.What | Should -Match '4096 GiB'
        $blocker.RecommendedAction | Should -Match '-LazyPages'
    }
}
